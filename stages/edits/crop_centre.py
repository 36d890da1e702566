"""The middle of each image remains, at most so wide and so high."""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, cropped
from stages.edits.model import Edit

Length = Annotated[int, msgspec.Meta(ge=0)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "crop-centre"`."""

    width_px: Length = 0
    """What remains of the width; 0 leaves it as it is."""
    height_px: Length = 0
    """What remains of the height; 0 leaves it as it is."""

    def __post_init__(self) -> None:
        if not self.width_px and not self.height_px:
            raise ValueError("set width_px or height_px")


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it is wider or higher."""
    width, height = facts.oriented_size_px
    return 0 < settings.width_px < width or 0 < settings.height_px < height


def apply(picture: Picture, settings: Settings) -> Picture:
    """Its middle; of an odd rest the greater half goes on the right and at the bottom."""
    wide, high = picture.size_px
    width, height = min(settings.width_px or wide, wide), min(settings.height_px or high, high)
    return cropped(picture, ((wide - width) // 2, (high - height) // 2, width, height))


EDIT = Edit(name="crop-centre", words="cropped", settings=Settings, concerns=concerns, apply=apply)
