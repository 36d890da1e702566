"""The buckets that images train in, as the settings of all formats have them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from datakit.exports.settings import Common
from datakit.lint.context import Training
from datakit.lint.facts.buckets import fit

Size = tuple[int, int]


def training_of_export(common: Common) -> Training:
    """How exported images will be trained, as lint takes it; repeats of concepts aside."""
    return Training(
        resolution_px=common.sides_px,
        batch_size=common.batch_size,
        enable_bucket=common.enable_bucket,
        bucket_no_upscale=common.bucket_no_upscale,
        bucket_step_px=common.bucket_reso_steps,
        min_bucket_px=common.min_bucket_reso,
        max_bucket_px=common.max_bucket_reso,
        shuffles=common.shuffle_caption,
        keep_tokens=common.keep_tokens,
        keep_separator=common.keep_tokens_separator,
    )


def bucket_counts(images: Iterable[tuple[Size, int]], common: Common) -> Counter[Size]:
    """Bucket's (width, height) → images, from each one's size in pixels and how often it counts."""
    training = training_of_export(common)
    found: Counter[Size] = Counter()
    for size_px, times in images:
        found[fit(training, size_px).bucket_px] += times
    return found
