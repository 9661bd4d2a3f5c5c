"""Reading a picture: odd ones, broken ones, cameras' orientation."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from macrid.pictures import reading

RED = (200, 30, 40)


def plain(colour=RED, size=(60, 80), mode="RGB"):
    return Image.new(mode, size, colour)


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


def colour(path):
    """The centre's colour."""
    square, _ = reading.read_square(path)
    assert square.shape == (224, 224, 3) and square.dtype == np.uint8
    return tuple(int(value) for value in square[112, 112])


def test_odd_pictures_are_read_rightly(tmp_path):
    assert colour(saved(tmp_path / "a.png", plain())) == RED
    assert colour(saved(tmp_path / "grey.png", plain(77, mode="L"))) == (77, 77, 77)
    assert colour(saved(tmp_path / "palette.png", plain().quantize(4))) == RED
    assert colour(saved(tmp_path / "wrong.jpg", plain(), format="PNG")) == RED, (
        "the content counts, not the name"
    )
    assert colour(saved(tmp_path / "clear.png", plain((*RED, 0), mode="RGBA"))) == (
        255,
        255,
        255,
    ), "laid on white"
    assert colour(saved(tmp_path / "half.png", plain((0, 0, 0, 128), mode="RGBA"))) == (
        127,
        127,
        127,
    )
    assert colour(saved(tmp_path / "bit.png", plain(1, mode="1"))) == (255, 255, 255)
    deep = Image.fromarray(np.full((60, 80), 40_000, np.uint16))
    assert colour(saved(tmp_path / "deep.png", deep)) == (155,) * 3, "40000 / 257"
    cmyk = colour(saved(tmp_path / "cmyk.jpg", plain().convert("CMYK"), quality=100))
    assert np.abs(np.array(cmyk) - RED).max() < 6
    assert colour(saved(tmp_path / "thin.png", plain(size=(1, 5000)))) == RED


def test_camera_orientation_is_applied(tmp_path):
    picture = Image.new("RGB", (100, 100), (0, 0, 255))
    picture.paste(RED, (0, 0, 100, 50))  # red above
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    square, _ = reading.read_square(saved(tmp_path / "a.png", picture, exif=exif))
    assert tuple(square[200, 112]) == RED


def test_of_an_animation_the_first_frame_with_a_remark(tmp_path):
    path = saved(
        tmp_path / "a.gif",
        plain(),
        save_all=True,
        append_images=[plain((0, 255, 0)), plain((0, 0, 255))],
    )
    square, remark = reading.read_square(path)
    assert tuple(square[5, 5]) == RED and remark == "animated: the first frame is used"


def bomb(width, height):
    """A tiny PNG that claims to be enormous."""

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def whole_jpeg():
    rng = np.random.default_rng(0)
    file = io.BytesIO()
    Image.fromarray(rng.integers(0, 255, (90, 90, 3), dtype=np.uint8)).save(file, "JPEG")
    return file.getvalue()


BROKEN = {
    "empty": (b"", "is empty"),
    "text": (b"<html>404</html>", "is not a picture"),
    "truncated": (whole_jpeg()[:2000], "is damaged"),
    "bomb": (bomb(60_000, 60_000), "pixels"),
    "large": (bomb(8_000, 8_000), "has 8000 x 8000 pixels, more than 50,000,000"),
    "nodata": (bomb(50, 50), "is damaged"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not a picture"),
}


@pytest.mark.parametrize("name", BROKEN)
@pytest.mark.filterwarnings("error")
def test_broken_files_say_why(tmp_path, name):
    content, reason = BROKEN[name]
    (tmp_path / "x.jpg").write_bytes(content)
    with pytest.raises(reading.Unreadable, match=reason):
        reading.read_square(tmp_path / "x.jpg")


def test_a_missing_file_says_so(tmp_path):
    with pytest.raises(reading.Unreadable, match="is missing"):
        reading.read_square(tmp_path / "x.jpg")


def test_cut_or_garbled_pictures_never_raise_anything_else(tmp_path, rng):
    whole = whole_jpeg()
    for trial in range(150):
        content = bytearray(whole[: rng.integers(1, len(whole))] if trial % 2 else whole)
        for place in rng.integers(0, min(700, len(content)), 5):
            content[place] = rng.integers(256)
        (tmp_path / "x.jpg").write_bytes(content)
        try:
            assert reading.read_square(tmp_path / "x.jpg")[0].shape == (224, 224, 3)
        except reading.Unreadable:
            pass
