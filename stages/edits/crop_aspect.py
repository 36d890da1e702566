"""Images are cropped to the nearest of some aspect ratios, as little as that takes."""

from __future__ import annotations

import math
import re
from typing import Annotated, Final, Literal

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Box, Picture, Size, cropped
from stages.edits.model import Edit

_RATIO: Final = re.compile(r"([1-9][0-9]{0,5}):([1-9][0-9]{0,5})")
_SHARES: Final = {"start": 0.0, "centre": 0.5, "end": 1.0}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "crop-aspect"`."""

    ratios: tuple[str, ...] = ("1:1", "3:4", "4:3", "2:3", "3:2", "9:16", "16:9")
    """Width to height, of which the nearest to the image's own is taken."""
    keep: Literal["start", "centre", "end"] = "centre"
    """What remains: the left or upper end, the middle, or the right or lower end."""
    max_loss: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Share of the image that may go; an image that would lose more stays as it is."""

    def __post_init__(self) -> None:
        wrong = [ratio for ratio in self.ratios if not _RATIO.fullmatch(ratio)]
        if wrong or not self.ratios:
            raise ValueError(f"'{wrong[0]}' is no ratio: write 3:4" if wrong else "ratios are missing")


def box_for(size_px: Size, settings: Settings) -> Box:
    """The part of an image of this size that remains."""
    width, height = size_px
    ratios = (tuple(map(int, ratio.split(":"))) for ratio in settings.ratios)
    wide, high = min(ratios, key=lambda ratio: abs(math.log(ratio[0] * height / (ratio[1] * width))))
    inside = (min(width, max(1, height * wide // high)), min(height, max(1, width * high // wide)))
    if inside[0] * inside[1] < (1 - settings.max_loss) * width * height:
        return 0, 0, width, height
    share = _SHARES[settings.keep]
    return int((width - inside[0]) * share), int((height - inside[1]) * share), *inside


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether anything goes."""
    return box_for(facts.oriented_size_px, settings)[2:] != facts.oriented_size_px


def apply(picture: Picture, settings: Settings) -> Picture:
    """The part that remains."""
    return cropped(picture, box_for(picture.size_px, settings))


EDIT = Edit(name="crop-aspect", words="cropped", settings=Settings, concerns=concerns, apply=apply)
