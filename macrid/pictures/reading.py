"""Read one picture as the network needs it, or say why it cannot be."""

import os
import warnings
from pathlib import Path

import numpy as np

from macrid.pictures.alexnet import square

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 50_000_000
DECODERS_RAISE = (  # Pillow's, on damaged files
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    TypeError,
    ZeroDivisionError,
    OverflowError,
)


class Unreadable(Exception):
    """Why a picture cannot be used, in a few words."""


def read_square(path: str | Path) -> tuple[np.ndarray, str | None]:
    """The centre (224, 224, 3) uint8 of a picture file, and a remark or None.

    The format is that of the content, whatever the name says. Camera orientation is applied;
    transparency is laid on white; greyscale, palette, CMYK and 16-bit pictures become RGB; of an
    animation the first frame is taken, with a remark. Raises `Unreadable` for a missing, empty,
    truncated, foreign or enormous file.

    >>> read_square("posters/1.jpg")[0].shape
    (224, 224, 3)
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # ours is stricter
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    size = f"{picture.width} x {picture.height}"
                    raise Unreadable(f"has {size} pixels, more than {MOST_PIXELS:,}")
                is_animated = getattr(picture, "n_frames", 1) > 1
                remark = "animated: the first frame is used" if is_animated else None
                picture.load()
                return square(_rgb(ImageOps.exif_transpose(picture))), remark
    except UnidentifiedImageError:
        is_empty = os.path.getsize(path) == 0
        reason = "is empty" if is_empty else f"is not a picture ({', '.join(FORMATS)})"
        raise Unreadable(reason) from None
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"has more than {MOST_PIXELS:,} pixels") from None
    except DECODERS_RAISE as error:
        reason = " ".join(str(error).split())[:100] or type(error).__name__
        raise Unreadable(f"is damaged ({reason})") from None


def _rgb(picture):
    """A picture of any mode as RGB."""
    from PIL import Image

    if picture.mode.startswith("I"):  # 16 bits a pixel: a plain conversion would clip at 255
        values = np.asarray(picture, np.float64)
        return Image.fromarray(np.clip(values / 257, 0, 255).astype(np.uint8)).convert("RGB")
    if picture.mode == "F":
        values = np.clip(np.nan_to_num(np.asarray(picture)), 0, 1) * 255
        return Image.fromarray(values.astype(np.uint8)).convert("RGB")
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        ground = Image.new("RGBA", picture.size, (255, 255, 255, 255))
        return Image.alpha_composite(ground, picture).convert("RGB")
    return picture.convert("RGB")
