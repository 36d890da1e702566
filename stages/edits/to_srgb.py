"""Colours become 8-bit sRGB: always, before every step.

An embedded colour profile other than sRGB is applied. Greyscale, palettes, CMYK, 16 bits and other pixel layouts become
red, green and blue, 8 bits each. Transparency is kept for the steps, and flattened behind them.
"""

from __future__ import annotations

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, in_srgb
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """It has none."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether its pixels are anything else than 8-bit RGB in sRGB."""
    return facts.icc == "other" or facts.mode != "RGB" or facts.has_alpha or facts.bits > 8


def apply(picture: Picture, settings: Settings) -> Picture:
    """The picture in sRGB."""
    return in_srgb(picture)


EDIT = Edit(name="to-srgb", words="converted", settings=Settings, concerns=concerns, apply=apply, is_always=True)
