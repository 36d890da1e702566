"""One side of each image becomes so long, the other in proportion."""

from __future__ import annotations

from typing import Annotated, Final, Literal

import msgspec
from PIL import Image

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, Size, resized
from stages.edits.model import Edit

_FILTERS: Final = {
    "lanczos": Image.Resampling.LANCZOS,
    "bicubic": Image.Resampling.BICUBIC,
    "box": Image.Resampling.BOX,
    "nearest": Image.Resampling.NEAREST,
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "resize"`."""

    side: Literal["shorter", "longer", "width", "height"] = "shorter"
    """Which side."""
    to_px: Annotated[int, msgspec.Meta(ge=1, le=16384)] = 1024
    """Its new length."""
    only: Literal["down", "up", "both"] = "down"
    """Whether images are only made smaller, only larger, or both."""
    filter: Literal["lanczos", "bicubic", "box", "nearest"] = "lanczos"
    """How: `nearest` keeps the edges of pixel art."""


def size_for(size_px: Size, settings: Settings) -> Size:
    """The size that an image becomes."""
    width, height = size_px
    shorter = "width" if width < height else "height"
    longer = "height" if width < height else "width"
    is_width = {"shorter": shorter, "longer": longer}.get(settings.side, settings.side) == "width"
    old = width if is_width else height
    if settings.only != "both" and (settings.to_px > old) != (settings.only == "up"):
        return size_px
    if is_width:
        return settings.to_px, max(1, round(height * settings.to_px / old))
    return max(1, round(width * settings.to_px / old)), settings.to_px


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether its size changes."""
    return size_for(facts.oriented_size_px, settings) != facts.oriented_size_px


def apply(picture: Picture, settings: Settings) -> Picture:
    """The picture at its new size."""
    return resized(picture, size_for(picture.size_px, settings), resample=_FILTERS[settings.filter])


EDIT = Edit(name="resize", words="resized", settings=Settings, concerns=concerns, apply=apply)
