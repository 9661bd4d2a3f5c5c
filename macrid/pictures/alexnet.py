r"""4096-d features of pictures by AlexNet (Krizhevsky et al., 2012), as section 3.4 uses them.

AlexNet has five convolutions and three fully connected layers; the features v_i are what the last
but one fully connected layer gives after its ReLU. Any ONNX file with that shape will do: the layer
is found in the graph, not by name.
"""

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from macrid.errors import UserError
from macrid.files import cache_folder, check_regular, locked, replacing

if TYPE_CHECKING:
    from onnx import ModelProto
    from PIL import Image

FULL_WIDTH = 4096
CROP = 224
LARGEST = 1e15  # of a feature: the squares of 4096 such add up in float32
RANDOM_KEY = "macrid.random"  # in the metadata of random weights: never taken for trained ones
CONVENTIONS = ("caffe", "torchvision")
CAFFE_MEAN_BGR = np.array([104.007, 116.669, 122.679], np.float32)
TORCHVISION_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TORCHVISION_DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
CONVOLUTIONS = (  # (channels, side, stride, padding) of each in torchvision's AlexNet
    (64, 11, 4, 2),
    (192, 5, 1, 2),
    (384, 3, 1, 1),
    (256, 3, 1, 1),
    (256, 3, 1, 1),
)
BEFORE_RELU = {"Add", "Identity", "Reshape", "Flatten", "Squeeze"}  # between a layer and its ReLU


class AlexNet:
    """Features of pictures by an AlexNet file.

    convention  how pixels enter, 'caffe' or 'torchvision' (see `normalised`); guessed from the
                graph if None
    width       numbers a picture: 4096, less for a random network of reduced width
    batch       the batch size fixed in the file, or None
    random      None, or a sentence that says that the weights are random
    sha256      of the file, and of those that it takes its weights from

    >>> AlexNet("bvlcalexnet-12.onnx").features(squares).shape
    (32, 4096)
    """

    def __init__(self, path: str | Path, convention: str | None = None):
        import onnx

        self.path = Path(path)
        content = self._content()
        digest = hashlib.sha256(content)
        try:
            model = onnx.load_model_from_string(content)
            del content
            _load_weights(model, self.path, digest)
            self.sha256 = digest.hexdigest()
            marks = (entry.value for entry in model.metadata_props if entry.key == RANDOM_KEY)
            self.random: str | None = next(marks, None)
            layer, self.width = feature_layer(model, path)
            self.convention = convention or guess_convention(model, path)
        except UserError:
            raise
        except Exception as error:  # protobuf's DecodeError is not public; a graph may be anything
            raise UserError(
                f"{path}: is not an ONNX file ({type(error).__name__}); see data_scripts/alexnet.py"
            ) from None
        if self.convention not in CONVENTIONS:
            raise UserError(
                f"the convention is '{convention}', expected one of {', '.join(CONVENTIONS)}"
            )
        self.input, self.batch, self.type = _input(model, path)

        # what lies behind the features need not be computed
        del model.graph.output[:]
        model.graph.output.append(onnx.ValueInfoProto(name=layer))  # of whatever type it is
        self.session = _session(model, path)

    def features(self, squares: np.ndarray) -> np.ndarray:
        """Features (n, width) float32 of pictures `squares` (n, 224, 224, 3) uint8 RGB."""
        pixels = normalised(squares, self.convention)
        if self.batch is None:
            return self._run(pixels)
        rows = []
        for start in range(0, len(pixels), self.batch):
            part = pixels[start : start + self.batch]
            padding = np.zeros((self.batch - len(part), *part.shape[1:]), np.float32)
            rows.append(self._run(np.concatenate([part, padding]))[: len(part)])
        return np.concatenate(rows)

    def _run(self, pixels):
        try:
            values = self.session.run(None, {self.input: pixels.astype(self.type, copy=False)})[0]
            rows = values.reshape(len(pixels), -1).astype(np.float32, copy=False)
        except Exception as error:  # onnxruntime's exceptions have no common public base
            raise _cannot_run(self.path, error) from None
        if rows.shape[1] != self.width or not (np.abs(rows) <= LARGEST).all():
            raise UserError(
                f"{self.path}: gives {rows.shape[1]} numbers a picture, expected {self.width} that"
                " are finite; use another AlexNet file"
            )
        return rows

    def _content(self):
        try:
            check_regular(self.path)
            return self.path.read_bytes()
        except OSError as error:
            raise UserError(
                f"{self.path}: cannot be read ({error.strerror}); give an AlexNet ONNX file, see"
                " data_scripts/alexnet.py"
            ) from None


def normalised(squares: np.ndarray, convention: str) -> np.ndarray:
    r"""Pixels (n, 224, 224, 3) uint8 RGB as the network takes them, (n, 3, 224, 224) float32.

    caffe        BGR, 0 to 255, minus (104.007, 116.669, 122.679)
    torchvision  RGB, 0 to 1, minus (.485, .456, .406), divided by (.229, .224, .225)
    """
    value = np.arange(256, dtype=np.float32)[:, None]
    if convention == "caffe":
        order, table = (2, 1, 0), value - CAFFE_MEAN_BGR
    else:
        order, table = (0, 1, 2), (value / 255 - TORCHVISION_MEAN) / TORCHVISION_DEVIATION
    # a byte has 256 values: look them up
    return np.stack([table[:, c].take(squares[..., order[c]]) for c in range(3)], axis=1)


def square(picture: "Image.Image") -> np.ndarray:
    """The centre of a Pillow picture, (224, 224, 3) uint8.

    Its short side is scaled to 256, then 224 are cropped. It is first cut to its centre square,
    which changes nothing inside the crop and bounds the memory of long pictures.
    """
    from PIL import Image

    short = min(picture.size)
    left, top = (picture.width - short) // 2, (picture.height - short) // 2
    picture = picture.crop((left, top, left + short, top + short))
    picture = picture.resize((256, 256), Image.Resampling.BILINEAR)
    margin = (256 - CROP) // 2
    return np.asarray(picture.crop((margin, margin, margin + CROP, margin + CROP)), np.uint8)


def feature_layer(model: "ModelProto", path: str | Path) -> tuple[str, int]:
    """The name and width of the output that is the features, in an ONNX model.

    It is what the last but one fully connected layer gives after its ReLU; such a layer is a Gemm
    or a MatMul whose second operand is a constant matrix. What is no AlexNet is a UserError.
    """
    shapes = constant_shapes(model)
    nodes = model.graph.node
    convolutions = sum(node.op_type == "Conv" for node in nodes)
    layers = [
        node
        for node in nodes
        if node.op_type in ("Gemm", "MatMul") and len(shapes.get(node.input[1], ())) == 2
    ]
    sizes = [shapes[node.input[1]] for node in layers]
    width = sizes[-2][0] if len(sizes) > 1 else 0
    is_random = any(entry.key == RANDOM_KEY for entry in model.metadata_props)
    is_square = len(sizes) > 1 and sizes[-2] == (width, width)
    if convolutions != 5 or not is_square or (width != FULL_WIDTH and not is_random):
        connected = ", ".join(f"{p} x {q}" for p, q in sizes) or "none"
        raise UserError(
            f"{path}: is no AlexNet: found {convolutions} convolutions and fully connected layers"
            f" {connected}; expected 5 convolutions and a last but one layer of {FULL_WIDTH} x"
            f" {FULL_WIDTH}; see data_scripts/alexnet.py"
        )
    name = layers[-2].output[0]
    for _ in nodes:  # through the bias of a MatMul, and reshapes, to the ReLU
        after = next((node for node in nodes if name in node.input), None)
        if after is None or after.op_type not in BEFORE_RELU | {"Relu"}:
            raise UserError(
                f"{path}: its last but one layer is followed by"
                f" {after.op_type if after else 'nothing'}, expected a Relu"
            )
        name = after.output[0]
        if after.op_type == "Relu":
            return name, width
    raise UserError(f"{path}: is no AlexNet: its graph goes in a circle; use another file")


def constant_shapes(model: "ModelProto") -> dict[str, tuple[int, ...]]:
    """{name: shape} of a graph's constants.

    They are initializers, Constant and ConstantOfShape nodes, and what is made of them by a
    transpose or another node that computes nothing.
    """
    from onnx import numpy_helper

    values = {tensor.name: tensor for tensor in model.graph.initializer}
    shapes = {name: tuple(tensor.dims) for name, tensor in values.items()}
    for node in model.graph.node:
        attributes = {attribute.name: attribute for attribute in node.attribute}
        first, output = next(iter(node.input), ""), next(iter(node.output), "")
        if node.op_type == "Constant" and "value" in attributes:
            values[output] = attributes["value"].t
            shapes[output] = tuple(attributes["value"].t.dims)
        elif node.op_type == "ConstantOfShape" and first in values:
            shapes[output] = tuple(int(size) for size in numpy_helper.to_array(values[first]))
        elif node.op_type == "Transpose" and len(shapes.get(first, ())) == 2:
            shapes[output] = shapes[first][::-1]
        elif node.op_type in ("Identity", "Cast", "DequantizeLinear") and first in shapes:
            shapes[output] = shapes[first]
    return shapes


def guess_convention(model: "ModelProto", path: str | Path) -> str:
    """How pixels enter: 'caffe' or 'torchvision', told apart by the graph.

    Caffe's has LRN and does not pad the first convolution; torchvision's has no LRN and pads by 2.
    """
    first = next(node for node in model.graph.node if node.op_type == "Conv")
    pads = [0] * 4
    for attribute in first.attribute:
        if attribute.name == "pads":
            pads = list(attribute.ints)
    has_lrn = any(node.op_type == "LRN" for node in model.graph.node)
    if has_lrn and pads == [0] * 4:
        return "caffe"
    if not has_lrn and pads == [2] * 4:
        return "torchvision"
    raise UserError(
        f"{path}: its input convention cannot be told from the graph; give --convention"
        f" {' or '.join(CONVENTIONS)}"
    )


def _load_weights(model, path, digest):
    """Take in the weights that lie in files beside an ONNX file, their bytes into its digest."""
    from onnx import TensorProto, external_data_helper

    of_nodes = [attribute.t for node in model.graph.node for attribute in node.attribute]
    external = [
        tensor
        for tensor in (*model.graph.initializer, *of_nodes)
        if tensor.data_location == TensorProto.EXTERNAL
    ]
    entries = [entry for tensor in external for entry in tensor.external_data]
    for name in sorted({entry.value for entry in entries if entry.key == "location"}):
        beside = path.parent / name
        if not beside.resolve().is_relative_to(path.parent.resolve()):
            raise UserError(f"{path}: takes its weights from '{name}', which leads outside")
        try:
            check_regular(beside)
            digest.update(beside.read_bytes())
        except OSError as error:
            raise UserError(
                f"{path}: takes its weights from '{name}' ({error.strerror}); put that file beside"
                " it"
            ) from None
    for tensor in external:
        external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _input(model, path):
    """The name of a graph's input, its batch size, None if that is free, and its type."""
    from onnx import helper

    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    shape = None
    if len(inputs) == 1:
        shape = [dimension.dim_value for dimension in inputs[0].type.tensor_type.shape.dim]
    if shape is None or len(shape) != 4 or shape[1:] not in ([3, CROP, CROP], [3, 0, 0]):
        raise UserError(
            f"{path}: takes {len(inputs)} inputs, the first of shape {shape}; expected one of"
            f" (batch, 3, {CROP}, {CROP})"
        )
    kind = helper.tensor_dtype_to_np_dtype(inputs[0].type.tensor_type.elem_type)
    if kind not in (np.float16, np.float32, np.float64):
        raise UserError(f"{path}: takes pictures as {kind}; use an AlexNet file that takes floats")
    return inputs[0].name, shape[0] or None, kind


def _session(model, path):
    """The model, ready to run on one core: batches run side by side instead."""
    # read as onnxruntime is imported; else it keeps an id in ~/.cache and reports to Microsoft
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = 1
    try:
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime's exceptions have no common public base
        raise _cannot_run(path, error) from None


def _cannot_run(path, error):
    reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
    return UserError(f"{path}: onnxruntime cannot run it ({reason}); use another AlexNet file")


def cached_random(seed: int = 0, width: int = 1024) -> AlexNet:
    """An `AlexNet` with random weights, written once into the cache folder: the shop's default."""
    path = cache_folder() / f"alexnet-random-{seed}-{width}.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent):  # another process may be writing the same file
        with suppress(UserError):  # none yet, or a damaged one
            return AlexNet(path)
        with replacing(path) as file:
            write_random(file, seed, width)
    return AlexNet(path)


def write_random(file: BinaryIO, seed: int = 0, width: int = FULL_WIDTH) -> None:
    """Write an AlexNet of torchvision's shape with random weights to an open binary file.

    `width` is that of the fully connected layers; convolutions are thinner in proportion. Weights
    are normal with variance 2 / fan-in, biases zero (He et al., 2015). The file says in its
    metadata that it is random.
    """
    from onnx import TensorProto, helper, numpy_helper

    if not 16 <= width <= FULL_WIDTH:
        raise UserError(f"the width is {width}, expected 16 to {FULL_WIDTH}")
    rng = np.random.default_rng(seed)
    nodes: list[Any] = []
    weights: list[Any] = []

    def layer(op, last, shape, **attributes):
        number = len(weights) // 2 + 1
        fan_in = int(np.prod(shape[1:]))
        W = rng.standard_normal(shape, dtype=np.float32) * np.float32((2 / fan_in) ** 0.5)
        weights.append(numpy_helper.from_array(W, f"W{number}"))
        weights.append(numpy_helper.from_array(np.zeros(shape[0], np.float32), f"b{number}"))
        inputs = [last, f"W{number}", f"b{number}"]
        nodes.append(helper.make_node(op, inputs, [f"a{number}"], **attributes))
        return f"a{number}"

    def then(op, last, name, **attributes):
        nodes.append(helper.make_node(op, [last], [name], **attributes))
        return name

    x, channels = "picture", 3
    for number, (full, side, stride, pad) in enumerate(CONVOLUTIONS, start=1):
        shape = (max(4, full * width // FULL_WIDTH), channels, side, side)
        x = layer("Conv", x, shape, kernel_shape=[side] * 2, strides=[stride] * 2, pads=[pad] * 4)
        x = then("Relu", x, f"r{number}")
        if number in (1, 2, 5):
            x = then("MaxPool", x, f"p{number}", kernel_shape=[3, 3], strides=[2, 2])
        channels = shape[0]
    x = then("Flatten", x, "flat")
    x = then("Relu", layer("Gemm", x, (width, channels * 36), transB=1), "fc6")
    x = then("Relu", layer("Gemm", x, (width, width), transB=1), "fc7")
    x = layer("Gemm", x, (10, width), transB=1)

    picture: list[str | int | None] = ["batch", 3, CROP, CROP]
    graph = helper.make_graph(
        nodes,
        "AlexNet with random weights",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, picture)],
        [helper.make_tensor_value_info(x, TensorProto.FLOAT, ["batch", 10])],
        weights,
    )
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="macrid"
    )
    helper.set_model_props(model, {RANDOM_KEY: f"random He weights, seed {seed}, width {width}"})
    file.write(model.SerializeToString())
