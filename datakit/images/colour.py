"""Colours as people write them in settings."""

from __future__ import annotations

import re
from typing import Final

from PIL import ImageColor

Colour = tuple[int, int, int]
"""(red, green, blue), 0..255, sRGB."""

_HEX: Final = re.compile(r"#[0-9a-f]{3}(?:[0-9a-f]{3})?")


def parse_colour(text: str) -> Colour:
    """A colour from `#rgb`, `#rrggbb` or a CSS name such as `white`.

    Raises:
        ValueError: none of these.
    """
    name = text.strip().lower()
    if not _HEX.fullmatch(name) and name not in ImageColor.colormap:
        raise ValueError(f"'{text}' is no colour: write #rrggbb, #rgb or a CSS name such as white")
    red, green, blue = ImageColor.getrgb(name)[:3]
    return red, green, blue


def is_colour(text: str) -> bool:
    """Whether `parse_colour` takes it."""
    try:
        parse_colour(text)
    except ValueError:
        return False
    return True


def format_colour(colour: Colour) -> str:
    """`#rrggbb`, the one spelling."""
    return "#{:02x}{:02x}{:02x}".format(*colour)
