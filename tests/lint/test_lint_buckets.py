"""Buckets as lint computes them are those of the trainer beside it, which are those of sd-scripts."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from datakit.lint.context import Training
from datakit.lint.facts.buckets import fit, sizes
from trainer.data import buckets as trained

SIDES = st.integers(1, 6000)
STEPS = st.sampled_from([8, 32, 64, 128])
RESOLUTIONS = st.sampled_from([(512, 512), (768, 768), (1024, 1024), (832, 1216), (1536, 1024)])


@given(SIDES, SIDES, RESOLUTIONS, STEPS, st.booleans(), st.booleans())
@example(1024, 1024, (1024, 1024), 64, True, False)
@example(3, 3, (1024, 1024), 64, True, True)
@example(1, 6000, (512, 512), 64, True, True)
def test_an_image_falls_into_the_bucket_that_the_trainer_gives_it(
    width: int, height: int, resolution: tuple[int, int], step: int, enable: bool, no_upscale: bool
) -> None:
    rule = trained.BucketRule(resolution, enable, no_upscale, step, 256, 2048)
    training = Training(
        resolution_px=resolution, enable_bucket=enable, bucket_no_upscale=no_upscale, bucket_step_px=step
    )
    found, expected = fit(training, (width, height)), trained.fit(rule, (width, height))
    assert found.bucket_px == expected.bucket_px
    assert all(abs(mine - own) <= 1 for mine, own in zip(found.resized_px, expected.resized_px, strict=True))
    assert sizes(training) == rule.sizes()


def test_what_is_enlarged_has_a_scale_above_one() -> None:
    assert fit(Training(), (512, 512)).scale == 2
    assert fit(Training(), (2048, 2048)).scale == 0.5
    assert fit(Training(bucket_no_upscale=True), (500, 700)) == ((448, 640), (500, 700), 1)


def test_where_no_bucket_is_large_enough_the_resolution_is_the_bucket() -> None:
    assert sizes(Training(resolution_px=(32, 64))) == ((32, 64),)
