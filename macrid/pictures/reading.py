"""Read one picture as the network needs it, or say why it cannot be."""

import os
import stat
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from macrid.pictures.alexnet import square

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 50_000_000
ORIENTATION = 0x0112  # the one entry of EXIF that is looked at


class Unreadable(Exception):
    """Why a picture cannot be used, in a few words."""


def read_square(path: str | Path) -> tuple[np.ndarray, str | None]:
    """The centre (224, 224, 3) uint8 of a picture file, and a remark or None; see `read`.

    >>> read_square("posters/1.jpg")[0].shape
    (224, 224, 3)
    """
    picture, remark = read(path)
    return square(picture), remark


def read(path: str | Path, side: int | None = None) -> tuple["Image.Image", str | None]:
    """A picture file as an upright Pillow picture in RGB, and a remark or None.

    The format is that of the content, whatever the name says. Camera orientation is applied;
    transparency is laid on white; greyscale, palette, CMYK and 16-bit pictures become RGB; of an
    animation the first frame is taken, with a remark. With `side`, a large JPEG may be read at a
    fraction of its size, but not below that. Raises `Unreadable` for a missing, empty, truncated,
    foreign, damaged or enormous file, and for what is no file, such as a pipe.

    >>> read("posters/1.jpg")[0].size
    (182, 268)
    """
    from PIL import Image, UnidentifiedImageError

    try:
        if not stat.S_ISREG(os.stat(path).st_mode):
            raise Unreadable("is no regular file")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is stricter
            warnings.filterwarnings("ignore", module="PIL")  # what it finds odd in EXIF
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    size = f"{picture.width} x {picture.height}"
                    raise Unreadable(f"has {size} pixels, more than {MOST_PIXELS:,}")
                is_animated = getattr(picture, "is_animated", False)
                remark = "animated: the first frame is used" if is_animated else None
                if side:
                    picture.draft("RGB", (side, side))
                picture.load()
                return _rgb(_upright(picture)), remark
    except Unreadable:
        raise
    except UnidentifiedImageError:
        is_empty = os.path.getsize(path) == 0
        reason = "is empty" if is_empty else f"is not a picture ({', '.join(FORMATS)})"
        raise Unreadable(reason) from None
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"has more than {MOST_PIXELS:,} pixels") from None
    except Exception as error:  # Pillow's decoders raise anything on damaged files
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise Unreadable(f"is damaged ({reason})") from None


def _upright(picture):
    """A picture as its camera was held, by that entry alone: the rest of EXIF may be anything."""
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    try:
        turn = turns.get(picture.getexif().get(ORIENTATION))
    except Exception:  # no EXIF that can be read: as it is
        turn = None
    return picture if turn is None else picture.transpose(turn)


def _rgb(picture):
    """A picture of any mode as RGB."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits a pixel: a plain conversion would clip at 255
        values = np.clip(np.asarray(picture), 0, 65535) // 257
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        values = np.clip(np.nan_to_num(np.asarray(picture)), 0, 1) * 255
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, picture).convert("RGB")
    return picture.convert("RGB")
