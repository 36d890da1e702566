"""One part of each image remains: the same rectangle of all.

For one image alone, `dsk crop` notes a rectangle in its record, which is cut out before every step.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, cropped
from stages.edits.model import Edit

Length = Annotated[int, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "crop-box"`."""

    x_px: Length = 0
    """Left side of the part, from the left side of the upright image."""
    y_px: Length = 0
    """Its upper side, from the top."""
    width_px: Length = 0
    """Its width; 0 reaches to the image's right side."""
    height_px: Length = 0
    """Its height; 0 reaches to the bottom."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether the part is not the whole image."""
    width, height = facts.oriented_size_px
    return bool(settings.x_px or settings.y_px or 0 < settings.width_px < width or 0 < settings.height_px < height)


def apply(picture: Picture, settings: Settings) -> Picture:
    """The part; smaller where the image ends before it.

    Raises:
        EmptyCrop: the part lies outside of the image.
    """
    width, height = picture.size_px
    return cropped(picture, (settings.x_px, settings.y_px, settings.width_px or width, settings.height_px or height))


EDIT = Edit(name="crop-box", words="cropped", settings=Settings, concerns=concerns, apply=apply)
