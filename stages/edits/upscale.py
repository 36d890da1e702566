"""Images of fewer pixels than a bucket are enlarged to its area, by a filter or by a model.

`lanczos` needs nothing and adds no detail. `waifu2x` (drawings) and `realesrgan` (drawings, from a video model) come
with `pip install 'dsk[upscale]'`. They run on the processor, where the same image always gives the same file; a
graphics card is much faster, and another one may give other files.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, Size, from_premultiplied, premultiplied, resized
from datakit.images.upscaling import Model, enlarge, version_of
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "upscale"`."""

    by: Literal["lanczos", "waifu2x", "realesrgan"] = "lanczos"
    """What enlarges."""
    area_px: Annotated[int, msgspec.Meta(ge=1, le=100_000_000)] = 1024 * 1024
    """Width x height that smaller images are enlarged to."""
    max_factor: Annotated[float, msgspec.Meta(gt=1, le=8)] = 2.0
    """By how much a side grows at most: what is far too small becomes no better."""
    gpu: Annotated[int, msgspec.Meta(ge=-1)] = -1
    """Number of the graphics card that a model runs on; -1 for the processor."""


def size_for(size_px: Size, settings: Settings) -> Size:
    """The size that an image becomes."""
    width, height = size_px
    scale = min(settings.max_factor, math.sqrt(settings.area_px / (width * height)))
    if scale <= 1:
        return size_px
    return max(width, math.floor(width * scale)), max(height, math.floor(height * scale))


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it is smaller."""
    return size_for(facts.oriented_size_px, settings) != facts.oriented_size_px


def apply(picture: Picture, settings: Settings) -> Picture:
    """The larger picture.

    Raises:
        ConfigError: the model is not installed; says the command.
    """
    size = size_for(picture.size_px, settings)
    if settings.by == "lanczos" or size == picture.size_px:
        return resized(picture, size)
    model: Model = settings.by
    width, height = picture.size_px
    factor = max(size[0] / width, size[1] / height)
    larger = enlarge(premultiplied(picture), model, factor=factor, gpu=settings.gpu)
    alpha = picture.alpha
    if alpha is not None:  # by the model too: an edge that only the colours have sharper would show as a seam
        alpha = enlarge(alpha.convert("RGB"), model, factor=factor, gpu=settings.gpu).convert("L")
    return resized(from_premultiplied(larger, alpha), size)


def uses(settings: Settings) -> dict[str, str]:
    """The package with the model."""
    return {} if settings.by == "lanczos" else version_of(settings.by)


EDIT = Edit(name="upscale", words="upscaled", settings=Settings, concerns=concerns, apply=apply, uses=uses)
