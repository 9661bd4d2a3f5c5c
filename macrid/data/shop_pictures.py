"""The shop's product pictures, drawn with Pillow: a product's looks show its attributes."""

import colorsys
import hashlib
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from macrid.files import cache_folder, replacing_folder

if TYPE_CHECKING:
    from PIL import Image

SIDE = 128
SUPERSAMPLE = 3  # drawn so many times larger, then averaged: smooth edges
GROUND = (248, 246, 242)
STRIPES = 7


def draw(category: str, attributes: np.ndarray) -> "Image.Image":
    """A Pillow picture (SIDE, SIDE) RGB of a product.

    `attributes` (J,) are hue, lightness, size, pattern and the category's detail, each from 0 to 1.
    Hue goes once round the colours from red to violet; pattern is how much the stripes stand out.

    >>> draw("mug", np.full(5, 0.5)).size
    (128, 128)
    """
    from PIL import Image, ImageChops, ImageDraw

    hue, lightness, size, pattern, detail = (float(value) for value in attributes)
    side = SIDE * SUPERSAMPLE
    scale = (0.62 + 0.36 * size) * side
    left, top = (side - scale) / 2, 0.96 * side - scale  # products stand on one line

    # masks of the product's three layers
    layers = {name: Image.new("L", (side, side), 0) for name in ("back", "body", "front")}
    pens = {name: _Pen(ImageDraw.Draw(image), left, top, scale) for name, image in layers.items()}
    SHAPES[category](pens["back"], pens["body"], pens["front"], detail)

    # ground, shadow and back
    colour = _rgb(hue, 0.34 + 0.38 * lightness)
    dark = _rgb(hue, 0.16 + 0.16 * lightness, saturation=0.3)
    picture = Image.new("RGB", (side, side), GROUND)
    shadow = (left + 0.12 * scale, top + 0.93 * scale, left + 0.88 * scale, top + 1.0 * scale)
    ImageDraw.Draw(picture).ellipse(shadow, fill=(226, 222, 214))
    _paint(picture, dark, layers["back"])

    # the body, its stripes, and light that falls from the left
    body = layers["body"]
    place = body.getbbox()
    body = body.crop(place)
    picture.paste(colour, place, body)
    stripes = Image.new("L", (side, side), 0)
    pen = ImageDraw.Draw(stripes)
    for stripe in range(STRIPES):
        x = left + scale * (stripe + 0.25) / STRIPES
        pen.rectangle((x, 0, x + 0.5 * scale / STRIPES, side), fill=int(255 * 0.85 * pattern))
    stripe_colour = _rgb(hue, 0.93 if lightness < 0.5 else 0.2)
    picture.paste(stripe_colour, place, ImageChops.multiply(stripes.crop(place), body))
    picture.paste((20, 16, 30), place, ImageChops.multiply(_shade(side).crop(place), body))

    _paint(picture, dark, layers["front"])
    return picture.reduce(SUPERSAMPLE)


def in_cache(category: np.ndarray, attributes: np.ndarray, ids: np.ndarray) -> list[Path]:
    """The paths of the pictures of M items, drawn once into the user's cache folder.

    category (M,) are places in SHAPES, attributes (M, J), ids (M,) text.
    """
    shop = hashlib.sha256(attributes.tobytes()).hexdigest()[:12]
    categories = [list(SHAPES)[g] for g in category]
    return write_all(cache_folder() / f"shop-{shop}", categories, attributes, ids)


def write_all(
    folder: Path, categories: Sequence[str], attributes: np.ndarray, ids: np.ndarray
) -> list[Path]:
    """Write the pictures of M items into `folder` once, all or nothing; return their paths."""
    paths = [folder / f"{name}.png" for name in ids]
    if folder.is_dir():
        return paths
    with replacing_folder(folder) as part:
        for category, row, path in zip(categories, attributes, paths):
            draw(category, row).save(part / path.name, compress_level=1)
    return paths


def _paint(picture, colour, mask):
    """Paint where the mask is, and go through no more of the picture than that."""
    place = mask.getbbox()
    if place:
        picture.paste(colour, place, mask.crop(place))


@cache
def _shade(side):
    """Light that falls from the left, (side, side)."""
    from PIL import Image

    shade = Image.linear_gradient("L").rotate(90).resize((side, side))
    return shade.point(lambda value: value // 5)


def _rgb(hue, lightness, saturation=0.62):
    rgb = colorsys.hls_to_rgb(hue * 5 / 6, lightness, saturation)
    return tuple(round(255 * value) for value in rgb)


class _Pen:
    """Draws on a mask in the unit square of the product, y downwards, 0.98 the ground."""

    def __init__(self, pen, left, top, scale):
        self.pen, self.left, self.top, self.scale = pen, left, top, scale

    def _points(self, points):
        return [(self.left + x * self.scale, self.top + y * self.scale) for x, y in points]

    def polygon(self, *points):
        self.pen.polygon(self._points(points), fill=255)

    def box(self, x0, y0, x1, y1, radius=0.0):
        (a, b), (c, d) = self._points([(x0, y0), (x1, y1)])
        self.pen.rounded_rectangle((a, b, c, d), radius * self.scale, fill=255)

    def ellipse(self, x, y, rx, ry):
        (a, b), (c, d) = self._points([(x - rx, y - ry), (x + rx, y + ry)])
        self.pen.ellipse((a, b, c, d), fill=255)

    def ring(self, x, y, rx, ry, width):
        (a, b), (c, d) = self._points([(x - rx, y - ry), (x + rx, y + ry)])
        self.pen.ellipse((a, b, c, d), outline=255, width=max(1, round(width * self.scale)))

    def line(self, width, *points):
        pixels = max(1, round(width * self.scale))
        self.pen.line(self._points(points), fill=255, width=pixels, joint="curve")


def _bag(back, body, front, handle):
    back.ring(0.5, 0.44, 0.2, 0.08 + 0.34 * handle, 0.045)
    body.polygon((0.16, 0.44), (0.84, 0.44), (0.93, 0.96), (0.07, 0.96))
    front.box(0.42, 0.5, 0.58, 0.58, 0.03)
    front.line(0.02, (0.16, 0.45), (0.84, 0.45))


def _chair(back, body, front, height):
    for x in (0.27, 0.69):
        back.box(x, 0.6, x + 0.05, 0.9)
    for x in (0.2, 0.75):
        front.box(x, 0.66, x + 0.055, 0.98)
    top = 0.46 - 0.42 * height
    body.box(0.23, top, 0.77, 0.56, 0.08)
    body.box(0.16, 0.58, 0.84, 0.68, 0.04)


def _guitar(back, body, front, waist):
    narrow = 0.26 - 0.19 * waist
    back.box(0.465, 0.1, 0.535, 0.6)
    back.box(0.44, 0.01, 0.56, 0.13, 0.03)
    body.ellipse(0.5, 0.79, 0.3, 0.19)
    body.ellipse(0.5, 0.54, 0.28 - 0.12 * waist, 0.16 - 0.03 * waist)
    body.box(0.5 - narrow, 0.54, 0.5 + narrow, 0.79)
    front.ellipse(0.5, 0.64, 0.075, 0.075)
    front.box(0.41, 0.84, 0.59, 0.875, 0.01)
    front.line(0.012, (0.485, 0.1), (0.485, 0.85))
    front.line(0.012, (0.515, 0.1), (0.515, 0.85))


def _lamp(back, body, front, shade):
    back.box(0.475, 0.35, 0.525, 0.92)
    back.ellipse(0.5, 0.935, 0.22, 0.045)
    half = 0.06 + 0.3 * shade
    body.polygon((0.5 - half, 0.06), (0.5 + half, 0.06), (0.88, 0.5), (0.12, 0.5))
    front.line(0.015, (0.68, 0.5), (0.68, 0.62))
    front.ellipse(0.68, 0.635, 0.022, 0.022)


def _mug(back, body, front, slimness):
    half, top = 0.34 - 0.14 * slimness, 0.46 - 0.36 * slimness
    middle = (top + 0.97) / 2
    back.ring(0.45 + half, middle, 0.17, 0.2, 0.06)
    body.box(0.45 - half, top, 0.45 + half, 0.97, 0.07)
    body.ellipse(0.45, top + 0.02, half, 0.055)
    front.ellipse(0.45, top + 0.02, half - 0.035, 0.035)


def _shoe(back, body, front, heel):
    rise = 0.3 * heel  # how far the heel lifts the back of the shoe
    y = 0.93 - rise
    back.polygon((0.08, y - 0.02), (0.26, y + 0.02), (0.2, 0.97), (0.11, 0.97))
    top = (0.07, y), (0.25, y), (0.62, 0.93), (0.95, 0.93)
    bottom = (0.95, 0.97), (0.58, 0.97), (0.24, y + 0.05), (0.07, y + 0.05)
    front.polygon(*top, *bottom)
    ankle = (0.06, y - 0.34), (0.3, y - 0.36), (0.42, y - 0.2 + 0.3 * rise)
    toe = (0.7, 0.74), (0.86, 0.78), (0.96, 0.93), (0.62, 0.93)
    body.polygon((0.08, y), *ankle, *toe, (0.25, y))
    front.line(0.022, (0.35, y - 0.26 + 0.1 * rise), (0.45, y - 0.14 + 0.3 * rise))
    front.line(0.022, (0.43, y - 0.2 + 0.3 * rise), (0.52, 0.77 - 0.3 * rise))


SHAPES = {
    "bag": _bag,
    "chair": _chair,
    "guitar": _guitar,
    "lamp": _lamp,
    "mug": _mug,
    "shoe": _shoe,
}
