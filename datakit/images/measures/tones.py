"""Brightness, information and colours of an image, from some of its pixels."""

from __future__ import annotations

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

_MOST: Final = 8192
"""Pixels that are looked at; more change the numbers by less than they are rounded to."""
_SHADES: Final = 16
"""Steps of a channel where colours are counted."""


class Tones(msgspec.Struct, frozen=True, kw_only=True):
    """What the pixels that can be seen are like; brightness is 0 (black) to 1 (white)."""

    brightness: float
    """Mean."""
    darkest: float
    """Brightness of the 1st percentile."""
    lightest: float
    """Brightness of the 99th percentile."""
    entropy_bits: float
    """Of the grey levels: 0 for one level, 8 where all 256 are as frequent."""
    main_colour: float
    """Share of the most frequent colour, in cells of 16 levels a channel."""
    colourfulness: float
    """Hasler and Süsstrunk, 2003: under 15 hardly coloured, over 60 very much."""
    chroma: float
    """99th percentile of a pixel's largest minus its smallest channel, 0 to 255: near 0 for greyscale."""
    hues: float
    """Spread of the colours around one tint, 0 to 255: near 0 for greyscale, sepia and blueprints."""


def tones(pixels: npt.NDArray[np.uint8]) -> Tones:
    """Of pixels [number, RGB], at least one."""
    chosen = pixels[:: max(1, len(pixels) // _MOST)]
    bands = np.ascontiguousarray(chosen.T)
    red, green, blue = bands.astype(np.float32)
    grey = (red * 0.299 + green * 0.587 + blue * 0.114 + 0.5).astype(np.uint8)
    levels = np.bincount(grey, minlength=256)
    cells = (bands >> 4).astype(np.intp)
    coded = (cells[0] * _SHADES + cells[1]) * _SHADES + cells[2]
    chroma = np.maximum(np.maximum(bands[0], bands[1]), bands[2]) - np.minimum(np.minimum(bands[0], bands[1]), bands[2])
    colourfulness, hues = _colours(red - green, (red + green) * 0.5 - blue)
    return Tones(
        brightness=round(float(np.dot(levels, np.arange(256)) / len(grey) / 255), 4),
        darkest=round(_level(levels, 0.01) / 255, 4),
        lightest=round(_level(levels, 0.99) / 255, 4),
        entropy_bits=round(_entropy(levels), 3),
        main_colour=round(float(np.bincount(coded).max()) / len(grey), 4),
        colourfulness=round(colourfulness, 2),
        chroma=float(_level(np.bincount(chroma, minlength=256), 0.99)),
        hues=round(hues, 2),
    )


def _level(numbers: npt.NDArray[np.intp], share: float) -> int:
    """The level up to which this share of all lies, of how many have each level."""
    total = np.cumsum(numbers)
    return int(np.searchsorted(total, share * int(total[-1])))


def _entropy(levels: npt.NDArray[np.intp]) -> float:
    shares = levels[levels > 0] / levels.sum()
    return abs(float(-(shares * np.log2(shares)).sum()))


def _colours(red_green: npt.NDArray[np.float32], yellow_blue: npt.NDArray[np.float32]) -> tuple[float, float]:
    """(colourfulness, root mean square distance of the colours from the line through grey that fits them best)."""
    number = len(red_green)
    a, b, c = (float(np.dot(*pair)) / number for pair in (
        (red_green, red_green), (red_green, yellow_blue), (yellow_blue, yellow_blue)
    ))  # fmt: skip
    means = float(red_green.mean()), float(yellow_blue.mean())
    deviation = math.sqrt(max(0.0, a - means[0] ** 2 + c - means[1] ** 2))
    smaller = (a + c) / 2 - math.hypot((a - c) / 2, b)
    return deviation + 0.3 * math.hypot(*means), math.sqrt(max(0.0, smaller))
