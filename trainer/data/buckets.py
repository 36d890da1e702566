"""Aspect-ratio buckets: which size a picture is trained at, and how it is cut to it.

The same sizes for the same settings as kohya-ss/sd-scripts:library/model_util.py (the list) and
library/train_util.py (the choice), so that a dataset means the same in both. Sizes are (width, height).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

Size = tuple[int, int]


@dataclass(frozen=True)
class BucketRule:
    """The bucket settings of one set of pictures."""

    resolution_px: Size
    enable: bool = True
    no_upscale: bool = False
    step_px: int = 64
    min_px: int = 256
    max_px: int = 1024

    def problem(self) -> str:
        """What contradicts itself in these settings, or nothing."""
        if self.step_px < 1:
            return "bucket_reso_steps must be at least 1"
        if not self.enable or self.no_upscale:
            return ""
        if min(self.resolution_px) < self.min_px:
            return f"min_bucket_reso {self.min_px} exceeds the resolution {min(self.resolution_px)}"
        if max(self.resolution_px) > self.max_px:
            return f"max_bucket_reso {self.max_px} is below the resolution {max(self.resolution_px)}"
        return ""

    def sizes(self) -> tuple[Size, ...]:
        """Every size that a picture can get; empty with no_upscale, where pictures make their own."""
        if not self.enable:
            return (self.resolution_px,)
        return () if self.no_upscale else resolutions(self)


@dataclass(frozen=True)
class Fit:
    """How a picture comes to its bucket: resized to `resized_px`, then cut in the middle to `bucket_px`."""

    bucket_px: Size
    resized_px: Size

    @property
    def crop_px(self) -> Size:
        """Left and top of the cut."""
        return (
            (self.resized_px[0] - self.bucket_px[0]) // 2,
            (self.resized_px[1] - self.bucket_px[1]) // 2,
        )


def on_grid(rule: BucketRule) -> BucketRule:
    """The same rule with its bounds moved outwards to multiples of the step, as sd-scripts moves them."""
    step = rule.step_px
    if step < 1:
        return rule
    return replace(rule, min_px=max(step, rule.min_px - rule.min_px % step), max_px=-(-rule.max_px // step) * step)


@lru_cache(maxsize=64)
def resolutions(rule: BucketRule) -> tuple[Size, ...]:
    """All sizes on the grid that hold at most the resolution's area, both ways round, sorted."""
    area = rule.resolution_px[0] * rule.resolution_px[1]

    def down(length: float) -> int:
        return int(length // rule.step_px) * rule.step_px

    square = down(math.sqrt(area))
    sizes = {(square, square)} if square else set()
    for width in range(rule.min_px, rule.max_px + 1, rule.step_px):
        height = min(rule.max_px, down(area // width))
        if height >= rule.min_px:
            sizes |= {(width, height), (height, width)}
    return tuple(sorted(sizes))


def fit(rule: BucketRule, size_px: Size, *, random_crop: bool = False) -> Fit:
    """The bucket of a picture of this size, and the size it is resized to first.

    Without buckets, a window of `random_crop` is taken from the picture as it is, where it is large enough.
    """
    if random_crop and not rule.enable and not _lacks(size_px, rule.resolution_px):
        return Fit(rule.resolution_px, size_px)
    if rule.enable and rule.no_upscale:
        return _fit_shrinking(rule, size_px)
    aspect = size_px[0] / size_px[1]
    sizes = rule.sizes()
    bucket = size_px if size_px in sizes else min(sizes, key=lambda size: abs(size[0] / size[1] - aspect))
    return Fit(bucket, cover(size_px, bucket))


def cover(size_px: Size, bucket_px: Size) -> Size:
    """The smallest size of the picture's own shape that covers the bucket."""
    if size_px[0] / size_px[1] > bucket_px[0] / bucket_px[1]:
        scale = bucket_px[1] / size_px[1]
    else:
        scale = bucket_px[0] / size_px[0]
    width, height = (int(side * scale + 0.5) for side in size_px)
    return max(bucket_px[0], width), max(bucket_px[1], height)


def _fit_shrinking(rule: BucketRule, size_px: Size) -> Fit:
    """Never enlarges: shrinks what exceeds the area, then cuts down to the grid; min and max do not apply."""
    area = rule.resolution_px[0] * rule.resolution_px[1]
    resized = size_px if size_px[0] * size_px[1] <= area else _shrink(size_px, area, step_px=rule.step_px)
    # A picture smaller than one step keeps one step: sd-scripts would make a bucket of size 0.
    bucket = tuple(max(rule.step_px, side - side % rule.step_px) for side in resized)
    return Fit((bucket[0], bucket[1]), cover(resized, (bucket[0], bucket[1])) if _lacks(resized, bucket) else resized)


def _lacks(size_px: Size, bucket_px: tuple[int, ...]) -> bool:
    return size_px[0] < bucket_px[0] or size_px[1] < bucket_px[1]


def _shrink(size_px: Size, area: int, *, step_px: int) -> Size:
    """Of the two grid sizes next to the area, rounding width or height first, the one truer to the shape."""
    aspect = size_px[0] / size_px[1]

    def rounded(length: float, *, least: int = step_px) -> int:
        whole = int(length + 0.5)
        return max(least, whole - whole % step_px)

    ideal_width = math.sqrt(area * aspect)
    width = rounded(ideal_width)
    height = rounded(area / ideal_width)
    width_error = abs(width / rounded(width / aspect) - aspect)
    height_error = abs(rounded(height * aspect, least=0) / height - aspect)
    if width_error < height_error:
        return width, int(width / aspect + 0.5)
    return int(height * aspect + 0.5), height
