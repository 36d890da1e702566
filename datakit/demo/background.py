"""Backgrounds, painted by Pillow, and the tags that they make true."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from PIL import Image, ImageDraw

Colour = tuple[int, int, int]
STRIPE_PX: Final = 24
DOT_PX: Final = 9


@dataclass(frozen=True)
class Background:
    """How the canvas looks before the head is drawn on it."""

    kind: str
    """A key of PAINTERS."""
    colours: tuple[Colour, Colour]
    """Ground and pattern; equal where there is no pattern."""
    tags: tuple[str, ...]


PATTERNED: Final = (
    Background("transparent", ((0, 0, 0), (0, 0, 0)), ("transparent_background",)),
    Background("gradient", ((255, 214, 165), (160, 196, 255)), ("gradient_background",)),
    Background("striped", ((250, 240, 240), (240, 190, 200)), ("striped_background",)),
    Background("dotted", ((214, 240, 220), (120, 190, 150)), ("polka_dot_background",)),
)
"""Those that are not of one colour."""


def paint(background: Background, size_px: tuple[int, int]) -> Image.Image:
    """An RGBA canvas of (width, height)."""
    return PAINTERS[background.kind](background, size_px)


def _transparent(background: Background, size_px: tuple[int, int]) -> Image.Image:
    return Image.new("RGBA", size_px, (*background.colours[0], 0))


def _flat(background: Background, size_px: tuple[int, int]) -> Image.Image:
    return Image.new("RGBA", size_px, (*background.colours[0], 255))


def _gradient(background: Background, size_px: tuple[int, int]) -> Image.Image:
    """From the first colour above to the second below."""
    above, below = (Image.new("RGBA", size_px, (*colour, 255)) for colour in background.colours)
    return Image.composite(below, above, Image.linear_gradient("L").resize(size_px))


def _striped(background: Background, size_px: tuple[int, int]) -> Image.Image:
    canvas = _flat(background, size_px)
    pen = ImageDraw.Draw(canvas)
    width, height = size_px
    for left in range(-height, width, 2 * STRIPE_PX):
        corners = [(left, height), (left + height, 0), (left + height + STRIPE_PX, 0), (left + STRIPE_PX, height)]
        pen.polygon(corners, fill=background.colours[1])
    return canvas


def _dotted(background: Background, size_px: tuple[int, int]) -> Image.Image:
    canvas = _flat(background, size_px)
    pen = ImageDraw.Draw(canvas)
    step = 4 * DOT_PX
    for row, y in enumerate(range(DOT_PX, size_px[1] + DOT_PX, step // 2)):
        for x in range(DOT_PX + (row % 2) * step // 2, size_px[0] + DOT_PX, step):
            pen.ellipse((x - DOT_PX, y - DOT_PX, x + DOT_PX, y + DOT_PX), fill=background.colours[1])
    return canvas


PAINTERS: Final[Mapping[str, Callable[[Background, tuple[int, int]], Image.Image]]] = {
    "transparent": _transparent,
    "plain": _flat,
    "gradient": _gradient,
    "striped": _striped,
    "dotted": _dotted,
}
