"""Which bucket an image falls into, as sd-scripts chooses it: what other trainers do is near to that.

Facts: kohya-ss/sd-scripts, library/model_util.py (make_bucket_resolutions: the sizes) and library/train_util.py
(BucketManager.select_bucket: the choice). Sizes are (width, height) in pixels.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final, NamedTuple

from datakit.lint.context import Training

Size = tuple[int, int]

_CACHED_SIZES: Final = 1 << 16


class Fit(NamedTuple):
    """How an image comes to its bucket: resized, then cut in the middle."""

    bucket_px: Size
    resized_px: Size
    """It covers the bucket."""
    scale: float
    """What it is resized by, above 1 where it is made larger."""


def fit(training: Training, size_px: Size) -> Fit:
    """The bucket of an image of this size; both sides are at least 1."""
    return _fit(_rule(training), size_px)


def sizes(training: Training) -> tuple[Size, ...]:
    """Every bucket there can be, sorted; none where images are not made larger and so make their own."""
    rule = _rule(training)
    return () if rule.no_upscale else _sizes(rule)


class _Rule(NamedTuple):
    resolution_px: Size
    enable: bool
    no_upscale: bool
    step_px: int
    min_px: int
    max_px: int


def _rule(training: Training) -> _Rule:
    return _Rule(
        training.resolution_px,
        training.enable_bucket,
        training.bucket_no_upscale and training.enable_bucket,
        max(1, training.bucket_step_px),
        training.min_bucket_px,
        training.max_bucket_px,
    )


@lru_cache(maxsize=64)
def _sizes(rule: _Rule) -> tuple[Size, ...]:
    if not rule.enable:
        return (rule.resolution_px,)
    area = math.prod(rule.resolution_px)
    square = int(math.sqrt(area) // rule.step_px) * rule.step_px
    found = {(square, square)} if square else set()
    for width in range(max(rule.min_px, 1), rule.max_px + 1, rule.step_px):
        height = min(rule.max_px, area // width // rule.step_px * rule.step_px)
        if height >= max(rule.min_px, 1):
            found |= {(width, height), (height, width)}
    return tuple(sorted(found)) or (rule.resolution_px,)


@lru_cache(maxsize=_CACHED_SIZES)
def _fit(rule: _Rule, size_px: Size) -> Fit:
    if rule.no_upscale:
        return _fit_shrinking(rule, size_px)
    known = _sizes(rule)
    aspect = size_px[0] / size_px[1]
    bucket = size_px if size_px in known else min(known, key=lambda one: abs(one[0] / one[1] - aspect))
    return _covering(size_px, bucket)


def _covering(size_px: Size, bucket: Size) -> Fit:
    """Resized by the side that fits worse, so that nothing of the bucket stays empty."""
    scale = max(bucket[0] / size_px[0], bucket[1] / size_px[1])
    resized = tuple(max(wanted, int(side * scale + 0.5)) for side, wanted in zip(size_px, bucket, strict=True))
    return Fit(bucket, (resized[0], resized[1]), scale)


def _fit_shrinking(rule: _Rule, size_px: Size) -> Fit:
    """Only what exceeds the area is resized; the bucket is what remains after cutting down to whole steps."""
    area = math.prod(rule.resolution_px)
    resized = _shrunk(size_px, area, rule.step_px) if math.prod(size_px) > area else size_px
    # An image smaller than a step would get a bucket of size 0 in sd-scripts; here it gets one step.
    width, height = (max(rule.step_px, side - side % rule.step_px) for side in resized)
    if resized[0] < width or resized[1] < height:
        return _covering(size_px, (width, height))
    return Fit((width, height), resized, max(resized[0] / size_px[0], resized[1] / size_px[1]))


def _shrunk(size_px: Size, area: int, step_px: int) -> Size:
    """Width or height becomes a whole number of steps: the one that changes the shape less."""
    aspect = size_px[0] / size_px[1]
    ideal = math.sqrt(area * aspect)
    width, height = _stepped(ideal, step_px), _stepped(area / ideal, step_px)
    by_width = abs(width / _stepped(width / aspect, step_px) - aspect)
    by_height = abs(_stepped(height * aspect, step_px, least=0) / height - aspect)
    if by_width < by_height:
        return width, int(width / aspect + 0.5)
    return int(height * aspect + 0.5), height


def _stepped(length: float, step_px: int, *, least: int | None = None) -> int:
    whole = int(length + 0.5)
    return max(step_px if least is None else least, whole - whole % step_px)
