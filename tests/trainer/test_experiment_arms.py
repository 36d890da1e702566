"""The arms of the experiments differ in what their claim is about, and in nothing else."""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest
from experiments import material, writing
from experiments.claims import missing_captions, negation, regularization, tag_dropout, transparency, zero_snr
from experiments.claims.table import CLAIMS
from experiments.contract import Arm, Baking, Claim, Sample
from PIL import Image

from datakit.demo.portraits.drawing import tags_of
from trainer import plan

pytest.importorskip("resvg_py", reason="portraits are drawn with resvg-py and dicebear, of the extra dev")

BAKING = Baking("", steps=3)


def _pixels(samples: Sequence[Sample]) -> list[bytes]:
    return [sample.image.tobytes() for sample in samples]


def _colours(image: Image.Image) -> list[tuple[int, ...]]:
    data = image.tobytes()
    return list(zip(*(data[channel::3] for channel in range(3)), strict=True))


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_claim_names_arms_measures_and_groups_that_it_has(claim: Claim) -> None:
    arms, measures = [arm.name for arm in claim.arms], [measure.name for measure in claim.measures]
    assert len(set(arms)) == len(arms)
    assert len(set(measures)) == len(measures)
    assert {measure.group for measure in claim.measures} <= {ask.group for ask in claim.asks(0)}
    for one in claim.comparisons:
        assert one.measure in measures
        assert one.arm != one.against
        assert {one.arm, one.against} <= set(arms)
        assert one.smallest > 0
    assert bool(claim.looks) == any(measure.is_share for measure in claim.measures)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_arms_are_asked_the_same_and_no_prompt_with_the_trigger_names_a_trait(claim: Claim) -> None:
    assert list(claim.asks(1)) == list(claim.asks(1))
    for ask in claim.asks(1):
        assert not set(material.TRAITS) & set(ask.asked)
        assert "blue hair" not in ask.prompt
        assert "braid" not in ask.prompt


def test_the_object_is_in_every_picture_and_in_half_of_the_captions() -> None:
    tagged, untagged = negation.tagged(0), negation.untagged(0)
    assert _pixels(tagged) == _pixels(untagged)
    assert all("glasses" in one.caption.split(", ") for one in tagged)
    assert not any("glasses" in one.caption for one in untagged)
    for one, other in zip(tagged, untagged, strict=True):
        assert set(one.caption.split(", ")) - set(other.caption.split(", ")) == {"glasses"}
    assert not any("glasses" in ask.prompt for ask in negation.CLAIM.asks(0) if ask.group == "others")


def test_captions_begin_with_the_trigger_and_keep_the_traits_to_it() -> None:
    for sample in missing_captions.pictures(3):
        first, *rest = sample.caption.split(", ")
        assert first == material.TRIGGER
        assert not {"blue hair", "braid", "long hair"} & set(rest)
        assert "1girl" in rest


@pytest.mark.parametrize(("make", "bare"), [("pictures", 0), ("half", 8), ("none", 16)])
def test_so_many_captions_are_missing(make: str, bare: int) -> None:
    samples = getattr(missing_captions, make)(0)
    assert sum(not sample.caption for sample in samples) == bare
    assert _pixels(samples) == _pixels(missing_captions.pictures(0))


def test_other_seeds_draw_other_pictures_and_the_same_seed_the_same() -> None:
    assert _pixels(material.character(3, seed=0)) == _pixels(material.character(3, seed=0))
    assert not set(_pixels(material.character(3, seed=0))) & set(_pixels(material.character(3, seed=1)))


def test_the_hidden_colour_is_in_the_pictures_without_alpha_alone() -> None:
    flattened, dropped = transparency.flattened(0), transparency.dropped(0)
    for laid, bare in zip(flattened, dropped, strict=True):
        assert laid.caption == bare.caption
        assert "background" not in laid.caption
        hidden = [at for at, pixel in enumerate(_colours(bare.image)) if pixel == material.HIDDEN]
        laid_pixels = _colours(laid.image)
        assert len(hidden) > 500
        assert {laid_pixels[at] for at in hidden} == {(255, 255, 255)}
        assert material.HIDDEN not in laid_pixels
        share = [material.picture_numbers(one.image)["hidden"] for one in (bare, laid)]
        assert share[0] - share[1] >= 0.98 * len(hidden) / 64**2


def test_a_pixel_is_hidden_exactly_where_nothing_shows() -> None:
    image = Image.new("RGBA", (3, 1))
    image.putdata([(9, 8, 7, 0), (10, 20, 30, 1), (40, 50, 60, 255)])
    colours, alpha = material.hiding(image)
    assert _colours(colours) == [material.HIDDEN, (10, 20, 30), (40, 50, 60)]
    assert list(alpha.tobytes()) == [0, 1, 255]


def test_night_is_dark() -> None:
    numbers = [material.picture_numbers(one.image)["brightness"] for one in zero_snr.dark(0)]
    assert max(numbers) < material.NIGHT


def test_brightness_and_the_hidden_share_of_plain_pictures() -> None:
    assert material.picture_numbers(Image.new("RGB", (4, 4), (255, 255, 255)))["brightness"] == pytest.approx(1.0)
    half = Image.new("RGB", (2, 1), (0, 0, 0))
    half.putpixel((1, 0), (250, 10, 10))
    assert material.picture_numbers(half)["hidden"] == 0.5


def test_the_tagger_is_asked_of_both_kinds() -> None:
    truth = [set(tags_of(look)) for look in material.oracle(0)]
    assert sum(set(material.TRAITS) <= tags for tags in truth) == len(truth) // 2


def _planned(folder: Path, arm: Arm, samples: Sequence[Sample]) -> plan.Plan:
    return plan.make(writing.write(folder / "arm", samples, arm, baking=BAKING, seed=5))


def test_the_trainer_reads_missing_captions_as_the_empty_prompt(tmp_path: Path) -> None:
    samples = missing_captions.half(0)
    found = _planned(tmp_path, missing_captions.CLAIM.arm("50"), samples)
    rates = sorted(item.subset.captions.caption_dropout_rate for item in found.trained)
    assert rates == [0.0] * 8 + [1.0] * 8
    assert found.config.train.seed == 5
    assert found.steps == 3


def test_class_pictures_are_regularization_pictures(tmp_path: Path) -> None:
    arm = regularization.CLAIM.arm("with")
    own = arm.samples(0)
    classes = [Sample(own[0].image, prompt, is_class=True) for prompt in arm.class_prompts]
    found = _planned(tmp_path, arm, [*own, *classes])
    assert sum(item.subset.is_reg for item in found.trained) == len(classes) == len(own)


@pytest.mark.parametrize("name", ["0", "0.1", "0.3"])
def test_tags_drop_out_at_the_rate_of_the_arm_and_the_trigger_stays(tmp_path: Path, name: str) -> None:
    arm = tag_dropout.CLAIM.arm(name)
    found = _planned(tmp_path, arm, list(arm.samples(0))[:2])
    rules = [item.subset.captions for item in found.trained]
    assert {rule.caption_tag_dropout_rate for rule in rules} == {float(name)}
    assert {rule.keep_tokens for rule in rules} == {1}


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_each_arm_has_settings_of_its_own(claim: Claim, tmp_path: Path) -> None:
    sample = Sample(zero_snr.dark(0)[0].image, "a tag")
    said = set()
    for arm in claim.arms:
        path = writing.write(tmp_path / arm.name, [sample], arm, baking=BAKING, seed=0)
        settings = tomllib.loads(path.read_text("utf-8").replace(str(tmp_path / arm.name), ""))
        texts = [path.parent / "dataset.toml"]
        subsets = [text.read_text("utf-8").replace(str(tmp_path / arm.name), "") for text in texts]
        captions = tuple(one.caption for one in arm.samples(0))
        pixels = tuple(one.image.tobytes() for one in arm.samples(0))
        said.add(repr((settings, subsets, arm.weighting, arm.class_prompts, captions, hash(pixels), arm.trains)))
    assert len(said) == len(claim.arms)
