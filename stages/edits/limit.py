"""Images of more pixels than a bucket are made smaller, to its area; smaller images stay as they are.

Trainers do this themselves at every start, often with a coarser filter; done once, here, the files are a fraction of
their size. With `multiple_px` the sides become multiples of it, as buckets are: the rest, less than one multiple after
the resize, is cropped from both ends, and nothing is stretched.
"""

from __future__ import annotations

import math
from typing import Annotated

import msgspec
from PIL import Image

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, Size, cropped, resized
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "limit"`."""

    area_px: Annotated[int, msgspec.Meta(ge=1)] = 1024 * 1024
    """Greatest width x height."""
    multiple_px: Annotated[int, msgspec.Meta(ge=1)] = 1
    """What the sides of a smaller image are multiples of."""

    def __post_init__(self) -> None:
        if self.multiple_px * self.multiple_px > self.area_px:
            raise ValueError(f"multiple_px {self.multiple_px} leaves no side within area_px {self.area_px}")


def bucket_for(size_px: Size, settings: Settings) -> Size:
    """The size that an image becomes: of all within the area the one nearest to its ratio, then the largest."""
    width, height = size_px
    step = settings.multiple_px if min(size_px) >= settings.multiple_px else 1
    scale = math.sqrt(settings.area_px / (width * height))
    choices = [
        (wide * step, high * step)
        for wide in _near(width * scale / step)
        for high in _near(height * scale / step)
        if wide * high * step * step <= settings.area_px and wide * step <= width and high * step <= height
    ]
    if not choices:  # a strip, whose short side is one multiple
        longest = max(step, settings.area_px // step // step * step)
        choices = [(min(longest, width), step) if width > height else (step, min(longest, height))]
    ratio = math.log(width / height)
    return min(choices, key=lambda size: (abs(math.log(size[0] / size[1]) - ratio), -size[0] * size[1]))


def _near(number: float) -> tuple[int, ...]:
    return tuple(sorted({max(1, math.floor(number)), max(1, math.ceil(number))}))


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it has more pixels than that."""
    width, height = facts.oriented_size_px
    return width * height > settings.area_px


def apply(picture: Picture, settings: Settings) -> Picture:
    """The smaller picture, by LANCZOS."""
    width, height = picture.size_px
    if width * height <= settings.area_px:
        return picture
    wide, high = bucket_for(picture.size_px, settings)
    if settings.multiple_px == 1:
        return resized(picture, (wide, high))
    scale = max(wide / width, high / height)
    cover = (max(wide, round(width * scale)), max(high, round(height * scale)))
    smaller = resized(picture, cover, resample=Image.Resampling.LANCZOS)
    return cropped(smaller, ((cover[0] - wide) // 2, (cover[1] - high) // 2, wide, high))


EDIT = Edit(name="limit", words="limited", settings=Settings, concerns=concerns, apply=apply)
