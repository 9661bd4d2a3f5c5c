"""Read one picture as the network needs it, or say why it cannot be."""

import os
import warnings

import numpy as np

from macrid.pictures.alexnet import square

FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF")
MOST_PIXELS = 50_000_000


class Unreadable(Exception):
    """Why a picture cannot be used, in a few words."""


def read_square(path):
    """The centre (224, 224, 3) uint8 of a picture file, and a remark or None.

    The format is told from the content, not from the name. Camera orientation is applied;
    transparency is laid on white; greyscale, palette, CMYK and 16-bit pictures become RGB; of an
    animation the first frame is taken, with a remark. Raises `Unreadable` for a missing, empty,
    truncated, foreign or enormous file.
    """
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter(
                "ignore", Image.DecompressionBombWarning
            )  # the limit below is stricter
            with Image.open(path, formats=FORMATS) as picture:
                if picture.width * picture.height > MOST_PIXELS:
                    raise Unreadable(
                        f"has {picture.width} x {picture.height} pixels, more than {MOST_PIXELS:,}"
                    )
                remark = (
                    "animated: the first frame is used"
                    if getattr(picture, "n_frames", 1) > 1
                    else None
                )
                picture.load()
                picture = _rgb(ImageOps.exif_transpose(picture))
                return square(picture), remark
    except UnidentifiedImageError:
        raise Unreadable(
            "is empty" if os.path.getsize(path) == 0 else f"is not a picture ({', '.join(FORMATS)})"
        ) from None
    except FileNotFoundError:
        raise Unreadable("is missing") from None
    except Image.DecompressionBombError:
        raise Unreadable(f"has more than {MOST_PIXELS:,} pixels") from None
    except (
        OSError,
        SyntaxError,
        ValueError,
        EOFError,
        IndexError,
        TypeError,
        ZeroDivisionError,
        OverflowError,
    ) as error:
        # what Pillow's decoders raise on damaged files
        raise Unreadable(
            f"is damaged ({' '.join(str(error).split())[:100] or type(error).__name__})"
        ) from None


def _rgb(picture):
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
