"""AlexNet features against the same network written out in NumPy, on a real graph and a hand-made
one; wrong files refused.
"""

import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from macrid.data import shop_pictures
from macrid.errors import UserError
from macrid.pictures import alexnet

LIGHT = Path(onnx.__file__).parent / "backend/test/data/light/light_bvlc_alexnet.onnx"


@pytest.fixture(scope="module")
def squares():
    pictures = [
        shop_pictures.draw("mug", (0.1, 0.5, 0.9, 0.5, 0.5)),
        shop_pictures.draw("shoe", (0.6, 0.3, 0.4, 0.9, 0.1)),
    ]
    return np.stack([alexnet.square(picture) for picture in pictures])


@pytest.fixture(scope="module")
def random_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("alexnet") / "random.onnx"
    with open(path, "wb") as file:
        alexnet.write_random(file, seed=3, width=64)
    return path


def test_onnxruntime_leaves_no_id_in_the_home_folder(random_file, tmp_path):
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    } | {"HOME": str(tmp_path)}
    subprocess.run(
        [
            sys.executable,
            "-c",
            f"from macrid.pictures.alexnet import AlexNet; AlexNet({str(random_file)!r})",
        ],
        check=True,
        env=environment,
    )
    assert not list(tmp_path.rglob("*Microsoft*"))


# The network, written out. x (channels, height, width).


def convolution(x, W, b, stride, pad, groups):
    x = np.pad(x, [(0, 0), (pad, pad), (pad, pad)])
    out, inside, side, _ = W.shape
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(1, 2))[
        :, ::stride, ::stride
    ]
    parts = [
        np.einsum(
            "chwij,ocij->ohw",
            windows[g * inside : (g + 1) * inside],
            W[g * out // groups : (g + 1) * out // groups],
            optimize=True,
        )
        for g in range(groups)
    ]
    return np.concatenate(parts) + b[:, None, None]


def pool(x, pad_after):
    x = np.pad(x, [(0, 0), (0, pad_after), (0, pad_after)], constant_values=-np.inf)
    return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(1, 2))[:, ::2, ::2].max(
        axis=(3, 4)
    )


def local_response(x, size=5, alpha=1e-4, beta=0.75):
    squares = np.pad(x * x, [(size // 2, size // 2), (0, 0), (0, 0)])
    around = sum(squares[offset : offset + len(x)] for offset in range(size))
    return x / (1 + alpha / size * around) ** beta


def network(pixels, W, b, lrn, first_pad, groups, last_pool_pad):
    """fc7 after its ReLU; W, b of the seven layers."""
    x = pixels.astype(float)
    for number, (stride, pad) in enumerate(((4, first_pad), (1, 2), (1, 1), (1, 1), (1, 1))):
        x = np.maximum(
            convolution(x, W[number], b[number], stride, pad, groups if number in (1, 3, 4) else 1),
            0,
        )
        if number < 2 and lrn:
            x = local_response(x)
        if number in (0, 1, 4):
            x = pool(x, last_pool_pad if number == 4 else 0)
    x = x.reshape(-1)
    for number in (5, 6):
        x = np.maximum(W[number] @ x + b[number], 0)
    return x


def test_the_light_graph_equals_plain_numpy(squares, tmp_path):
    """A real bvlc AlexNet graph; its weights are constants, so random ones are put in their place
    by name.
    """
    model = onnx.load(LIGHT)
    plain = alexnet.AlexNet(LIGHT)
    assert (plain.convention, plain.width, plain.batch, plain.random) == ("caffe", 4096, 1, None)
    shapes = alexnet.constant_shapes(model)
    values = {
        node.output[0]: onnx.numpy_helper.to_array(node.attribute[0].t).item()
        for node in model.graph.node
        if node.op_type == "ConstantOfShape"
    }
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"]
    W = [np.full(shapes[f"{name}_w_0"], values[f"{name}_w_0"]) for name in names]
    b = [np.full(shapes[f"{name}_b_0"], values[f"{name}_b_0"]) for name in names]
    expected = [
        network(pixels, W, b, True, 0, 2, 1) for pixels in alexnet.normalised(squares, "caffe")
    ]
    found = plain.features(squares)
    assert found.shape == (2, 4096) and found.dtype == np.float32 and np.abs(found).max() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_the_light_graph_with_random_weights_equals_plain_numpy(squares, tmp_path):
    model, rng = onnx.load(LIGHT), np.random.default_rng(0)
    shapes = alexnet.constant_shapes(model)
    kept = [node for node in model.graph.node if node.op_type != "ConstantOfShape"]
    names = ["conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8"]
    W, b = [], []
    for name in names:
        shape = shapes[f"{name}_w_0"]
        W.append((rng.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5).astype(np.float32))
        b.append(rng.standard_normal(shape[0]).astype(np.float32))
        model.graph.initializer.extend(
            (
                onnx.numpy_helper.from_array(W[-1], f"{name}_w_0"),
                onnx.numpy_helper.from_array(b[-1], f"{name}_b_0"),
            )
        )
    del model.graph.node[:]
    model.graph.node.extend(kept)
    onnx.save(model, tmp_path / "a.onnx")
    found = alexnet.AlexNet(tmp_path / "a.onnx").features(squares)
    expected = np.array(
        [network(pixels, W, b, True, 0, 2, 1) for pixels in alexnet.normalised(squares, "caffe")]
    )
    assert np.abs(expected[0] - expected[1]).max() > 0.1 * np.abs(expected).max(), (
        "the pictures differ"
    )
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def test_a_random_network_equals_plain_numpy_and_says_that_it_is_random(squares, random_file):
    net = alexnet.AlexNet(random_file)
    assert (net.convention, net.width, net.batch) == ("torchvision", 64, None)
    assert net.random == "random He weights, seed 3, width 64"
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(random_file).graph.initializer
    }
    W, b = [weights[f"W{n}"] for n in range(1, 8)], [weights[f"b{n}"] for n in range(1, 8)]
    expected = np.array(
        [
            network(pixels, W, b, False, 2, 1, 0)
            for pixels in alexnet.normalised(squares, "torchvision")
        ]
    )
    np.testing.assert_allclose(
        net.features(squares), expected, rtol=1e-4, atol=1e-4 * expected.max()
    )


def test_random_weights_have_he_variance_and_follow_the_seed(random_file):
    again, other = io.BytesIO(), io.BytesIO()
    alexnet.write_random(again, seed=3, width=64)
    alexnet.write_random(other, seed=4, width=64)
    assert again.getvalue() == random_file.read_bytes() != other.getvalue()
    weights = {
        tensor.name: onnx.numpy_helper.to_array(tensor)
        for tensor in onnx.load(random_file).graph.initializer
    }
    assert weights["W7"].var() == pytest.approx(2 / 64, rel=0.1) and weights[
        "W1"
    ].std() == pytest.approx((2 / 363) ** 0.5, rel=0.15)


def test_conventions_by_hand():
    pixel = np.zeros((1, 224, 224, 3), np.uint8)
    pixel[..., 0], pixel[..., 1], pixel[..., 2] = 255, 128, 0
    caffe, torchvision = (
        alexnet.normalised(pixel, "caffe"),
        alexnet.normalised(pixel, "torchvision"),
    )
    np.testing.assert_allclose(
        caffe[0, :, 5, 5], [0 - 104.007, 128 - 116.669, 255 - 122.679], rtol=1e-5
    )
    np.testing.assert_allclose(
        torchvision[0, :, 5, 5],
        [(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, -0.406 / 0.225],
        rtol=1e-5,
    )


def test_square_is_the_centre():
    wide = np.zeros((300, 900, 3), np.uint8)
    wide[:, 300:600] = 200
    np.testing.assert_array_equal(
        alexnet.square(Image.fromarray(wide)), np.full((224, 224, 3), 200)
    )
    gradient = Image.linear_gradient("L").convert("RGB")  # 256 x 256, row r has value r
    np.testing.assert_array_equal(alexnet.square(gradient)[:, 0, 0], np.arange(16, 240))


def test_square_keeps_little_of_a_very_long_picture():
    assert alexnet.square(Image.new("RGB", (3, 100_000))).shape == (224, 224, 3)


def changed(random_file, tmp_path, change):
    model = onnx.load(random_file)
    change(model)
    onnx.save(model, tmp_path / "changed.onnx")
    return tmp_path / "changed.onnx"


def test_wrong_files_say_what_was_found(random_file, tmp_path):
    with pytest.raises(UserError, match="nowhere.onnx: cannot be read"):
        alexnet.AlexNet(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises(UserError, match="text.onnx: is no"):
        alexnet.AlexNet(tmp_path / "text.onnx")
    for name, found in (
        ("vgg19", "16 convolutions"),
        ("resnet50", "53 convolutions"),
        ("squeezenet", "26 convolutions"),
    ):
        with pytest.raises(UserError, match=f"is no AlexNet: found {found}"):
            alexnet.AlexNet(LIGHT.with_name(f"light_{name}.onnx"))
    path = changed(random_file, tmp_path, lambda model: model.ClearField("metadata_props"))
    with pytest.raises(
        UserError,
        match=(
            "found 5 convolutions and fully connected layers .*64 x 64.*; expected .* 4096 x 4096"
        ),
    ):
        alexnet.AlexNet(path)

    def no_relu(model):
        next(node for node in model.graph.node if node.output[0] == "fc7").op_type = "Sigmoid"

    with pytest.raises(UserError, match="followed by Sigmoid, expected a Relu"):
        alexnet.AlexNet(changed(random_file, tmp_path, no_relu))

    def drop_pads(model):
        kept = [a for a in model.graph.node[0].attribute if a.name != "pads"]
        del model.graph.node[0].attribute[:]
        model.graph.node[0].attribute.extend(kept)

    with pytest.raises(UserError, match="give --convention caffe or torchvision"):
        alexnet.AlexNet(changed(random_file, tmp_path, drop_pads))
    half = tmp_path / "half.onnx"
    half.write_bytes(random_file.read_bytes()[:5000])
    with pytest.raises(UserError, match="half.onnx: is no"):
        alexnet.AlexNet(half)


def test_a_matmul_with_a_bias_is_found_too(random_file, tmp_path, squares):
    def split_gemm(model):
        nodes = []
        for node in model.graph.node:
            if node.op_type == "Gemm":
                nodes.append(
                    onnx.helper.make_node(
                        "Transpose", [node.input[1]], [node.input[1] + "_T"], perm=[1, 0]
                    )
                )
                nodes.append(
                    onnx.helper.make_node(
                        "MatMul",
                        [node.input[0], node.input[1] + "_T"],
                        [node.output[0] + "_product"],
                    )
                )
                nodes.append(
                    onnx.helper.make_node(
                        "Add", [node.output[0] + "_product", node.input[2]], [node.output[0]]
                    )
                )
            else:
                nodes.append(node)
        del model.graph.node[:]
        model.graph.node.extend(nodes)

    path = changed(random_file, tmp_path, split_gemm)
    np.testing.assert_allclose(
        alexnet.AlexNet(path).features(squares),
        alexnet.AlexNet(random_file).features(squares),
        rtol=1e-4,
        atol=1e-5,
    )


# Weights beside the file, and halves


@pytest.fixture
def outside(random_file, tmp_path):
    """The same network with its weights in a file beside it."""
    model = onnx.load(random_file)
    onnx.save(model, tmp_path / "a.onnx", save_as_external_data=True, location="a.onnx.data")
    return tmp_path / "a.onnx"


def test_weights_beside_the_file_are_loaded_and_hashed(
    outside, random_file, squares, tmp_path, monkeypatch
):
    monkeypatch.chdir("/")
    net, whole = alexnet.AlexNet(outside), alexnet.AlexNet(random_file)
    np.testing.assert_array_equal(net.features(squares), whole.features(squares))
    data = bytearray((tmp_path / "a.onnx.data").read_bytes())
    data[0] ^= 1
    (tmp_path / "a.onnx.data").write_bytes(data)
    assert alexnet.AlexNet(outside).sha256 != net.sha256


def relocate(path, **changes):
    model = onnx.load(path, load_external_data=False)
    tensors = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    for entry in tensors[0].external_data:
        entry.value = changes.get(entry.key, entry.value)
    path.write_bytes(model.SerializeToString())


@pytest.mark.parametrize(
    "changes",
    [
        {"location": "/etc/passwd"},
        {"location": "../a.onnx.data"},
        {"location": "gone"},
        {"location": "."},
        {"location": "pipe"},
        {"location": "link"},
        {"offset": "999999999"},
        {"offset": "-5"},
        {"length": "9999999999999"},
        {"length": "x"},
    ],
    ids=str,
)
def test_weights_from_anywhere_else_are_one_line(outside, tmp_path, changes, squares):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("/etc/passwd")
    relocate(outside, **changes)
    with pytest.raises(UserError, match="a.onnx: |pipe: is a pipe") as error:
        alexnet.AlexNet(outside).features(squares)
    assert "\n" not in str(error.value)


def test_a_file_without_its_weights_says_which_are_missing(outside, tmp_path):
    (tmp_path / "a.onnx.data").unlink()
    with pytest.raises(UserError, match="from 'a.onnx.data'.*put that file beside it"):
        alexnet.AlexNet(outside)


def with_type(model, kind):
    """All floats of a model as another type."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(kind)
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor).astype(dtype)
        tensor.CopyFrom(onnx.numpy_helper.from_array(values, tensor.name))
    for value in (*model.graph.input, *model.graph.output):
        value.type.tensor_type.elem_type = kind


def test_a_network_of_halves_gives_nearly_the_same(random_file, squares, tmp_path):
    halve = lambda model: with_type(model, onnx.TensorProto.FLOAT16)
    found = alexnet.AlexNet(changed(random_file, tmp_path, halve)).features(squares)
    expected = alexnet.AlexNet(random_file).features(squares)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=0.05, atol=0.01 * expected.max())


def test_a_network_of_whole_numbers_is_one_line(random_file, tmp_path):
    def whole(model):
        model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.UINT8

    with pytest.raises(UserError, match="takes pictures as uint8"):
        alexnet.AlexNet(changed(random_file, tmp_path, whole))
