"""Buckets: the sizes that sd-scripts has, and laws that hold for every picture."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.buckets import BucketRule, Fit, fit, on_grid, resolutions

sides = st.integers(1, 4000)


@pytest.mark.parametrize(
    ("side", "least", "most", "num"), [(1024, 256, 2048, 41), (1024, 512, 2048, 33), (512, 256, 1024, 17)]
)
def test_as_many_sizes_as_sd_scripts(side: int, least: int, most: int, num: int) -> None:
    rule = BucketRule((side, side), min_px=least, max_px=most)
    assert len(resolutions(rule)) == num


@pytest.mark.parametrize(
    ("size", "bucket"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1200, 800), (1216, 832)),
        ((832, 1216), (832, 1216)),
        ((3000, 1000), (1728, 576)),
        ((100, 100), (1024, 1024)),
    ],
)
def test_nearest_shape(size: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert fit(BucketRule((1024, 1024), min_px=256, max_px=2048), size).bucket_px == bucket


@given(width=sides, height=sides, step=st.sampled_from([8, 32, 64]), no_upscale=st.booleans())
def test_every_picture_covers_a_bucket_on_the_grid(width: int, height: int, step: int, no_upscale: bool) -> None:
    rule = BucketRule((512, 512), no_upscale=no_upscale, step_px=step)
    found = fit(rule, (width, height))
    assert all(side % step == 0 and side > 0 for side in found.bucket_px)
    assert found.resized_px[0] >= found.bucket_px[0]
    assert found.resized_px[1] >= found.bucket_px[1]
    assert min(found.crop_px) >= 0
    if not no_upscale:
        assert found.bucket_px[0] == found.resized_px[0] or found.bucket_px[1] == found.resized_px[1]
        assert found.bucket_px[0] * found.bucket_px[1] <= 512 * 512


@given(width=st.integers(64, 4000), height=st.integers(64, 4000))
def test_no_upscale_never_enlarges(width: int, height: int) -> None:
    if max(width, height) > 8 * min(width, height):
        return
    found = fit(BucketRule((512, 512), no_upscale=True), (width, height))
    assert found.resized_px[0] <= width + 64
    assert found.resized_px[1] <= height + 64
    if width * height <= 512 * 512:
        assert found.resized_px == (width, height)


@given(width=sides, height=sides)
def test_turning_a_picture_turns_its_size(width: int, height: int) -> None:
    rule = BucketRule((512, 512))
    across, along = fit(rule, (width, height)).bucket_px, fit(rule, (height, width)).bucket_px
    # Ties between two equally distant shapes may fall either way, so areas are compared, not names.
    assert abs(across[0] * across[1] - along[0] * along[1]) <= 512 * 512 // 4


def test_without_buckets_there_is_one_size() -> None:
    assert fit(BucketRule((512, 384), enable=False), (100, 900)).bucket_px == (512, 384)


@pytest.mark.parametrize(
    ("rule", "word"),
    [
        (BucketRule((64, 64)), "min_bucket_reso"),
        (BucketRule((2048, 1024)), "max_bucket_reso"),
        (BucketRule((512, 512), step_px=0), "bucket_reso_steps"),
        (BucketRule((64, 64), enable=False), ""),
    ],
)
def test_settings_that_contradict_themselves(rule: BucketRule, word: str) -> None:
    assert word in rule.problem()
    assert bool(word) == bool(rule.problem())


@pytest.mark.parametrize(
    ("least", "most", "step", "bounds"),
    [(260, 1000, 64, (256, 1024)), (256, 1024, 64, (256, 1024)), (5, 1025, 32, (32, 1056)), (64, 64, 0, (64, 64))],
)
def test_bounds_move_outwards_to_the_grid(least: int, most: int, step: int, bounds: tuple[int, int]) -> None:
    moved = on_grid(BucketRule((512, 512), min_px=least, max_px=most, step_px=step))
    assert (moved.min_px, moved.max_px) == bounds


def test_a_random_window_without_buckets_is_of_the_picture_as_it_is() -> None:
    rule = BucketRule((64, 48), enable=False)
    assert fit(rule, (300, 200), random_crop=True) == Fit((64, 48), (300, 200))
    assert fit(rule, (300, 40), random_crop=True) == fit(rule, (300, 40))
    assert fit(BucketRule((64, 64), min_px=64), (300, 200), random_crop=True).resized_px == (96, 64)


@pytest.mark.parametrize(
    ("rule", "size", "found"),
    [
        # Of sd-scripts' BucketManager; the second is a strip of which one side alone comes to less than a step.
        (BucketRule((1000, 600), no_upscale=True), (3000, 500), Fit((1536, 256), (1536, 256))),
        (BucketRule((256, 350), no_upscale=True, step_px=100), (229, 1881), Fit((100, 800), (100, 821))),
    ],
)
def test_shrinking_as_sd_scripts_shrinks(rule: BucketRule, size: tuple[int, int], found: Fit) -> None:
    assert fit(rule, size) == found
