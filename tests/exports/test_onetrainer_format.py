"""The concepts of OneTrainer: a golden tree, the types of keys, and each trap."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from exports.export_material import item, material, subset
from hypothesis import given as given_any
from hypothesis import strategies as st

from datakit.exports.expressing import unheld
from datakit.exports.formats.onetrainer import EXPORT
from datakit.exports.model import Material, Plan
from datakit.exports.recipes.model import Recipe

CONCEPT: dict[str, type] = {
    "__version": int,
    "name": str,
    "path": str,
    "seed": int,
    "enabled": bool,
    "type": str,
    "include_subdirectories": bool,
    "image_variations": int,
    "text_variations": int,
    "balancing": float,
    "balancing_strategy": str,
    "loss_weight": float,
    "image": dict,
    "text": dict,
}
IMAGE: dict[str, type] = {
    "enable_crop_jitter": bool,
    "enable_random_flip": bool,
    "enable_resolution_override": bool,
    "resolution_override": str,
}
TEXT: dict[str, type] = {
    "prompt_source": str,
    "enable_tag_shuffling": bool,
    "tag_delimiter": str,
    "keep_tags_count": int,
    "tag_dropout_enable": bool,
    "tag_dropout_mode": str,
    "tag_dropout_probability": float,
}
RECIPE = Recipe(name="sdxl-lora", architecture="sdxl", base="base.safetensors", max_tokens=75)


def given(*subsets: Any, **said: Any) -> Material:
    return material(*subsets, export=EXPORT, **said)


def plan(*subsets: Any, **said: Any) -> Plan:
    return EXPORT.plan(given(*subsets, **said))


def concepts(made: Plan) -> dict[str, dict[str, Any]]:
    return {concept["name"]: concept for concept in json.loads(made.texts["concepts.json"])}


def test_a_folder_a_subset_with_captions_and_masks_beside_the_images() -> None:
    made = plan(
        subset("girl", item("girl/a", mask=True), item("girl/b", "", extension="jpg"), repeats=3, class_tokens="sks"),
        subset("cat-validation", item("cat/c", "cat"), is_validation=True, repeats=5),
    )
    assert sorted(made.images) == ["cat-validation/c.png", "girl/a-masklabel.png", "girl/a.png", "girl/b.jpg"]
    captions = {path: data for path, data in made.texts.items() if path.endswith(".txt")}
    assert captions == {"girl/a.txt": b"1girl, solo", "girl/b.txt": b"sks", "cat-validation/c.txt": b"cat"}
    assert made.items == {"cat/c": "cat-validation/c.png", "girl/a": "girl/a.png", "girl/b": "girl/b.jpg"}


def test_concepts_have_the_keys_of_concept_config_and_their_types() -> None:
    made = plan(
        subset("girl", item("girl/a"), repeats=3, loss_weight=0.5),
        subset("reg", item("reg/a"), is_reg=True),
        subset("held", item("held/a"), is_validation=True, repeats=5),
        caption_tag_dropout_rate=0.1,
    )
    found = concepts(made)
    for concept in found.values():
        assert {key: type(value) for key, value in concept.items()} == CONCEPT
        assert {key: type(value) for key, value in concept["image"].items()} == IMAGE
        assert all(type(value) is TEXT[key] for key, value in concept["text"].items())
    assert [found[name]["type"] for name in ("girl", "reg", "held")] == ["STANDARD", "PRIOR_PREDICTION", "VALIDATION"]
    assert (found["girl"]["balancing"], found["girl"]["balancing_strategy"]) == (3.0, "REPEATS")
    assert found["girl"]["loss_weight"] == 0.5
    assert found["held"]["balancing"] == 1.0
    assert found["girl"]["path"] == "/set/export/x/girl"
    assert len({concept["seed"] for concept in found.values()}) == 3


def test_the_same_material_makes_the_same_bytes_in_ascii() -> None:
    one = subset("少女", item("少女/a"))
    assert plan(one).texts == plan(one).texts
    assert plan(one).texts["concepts.json"].isascii()


def test_images_that_onetrainer_would_take_for_masks_get_other_names() -> None:
    names = ["a", "a_masklabel", "a-masklabel", "b-condlabel", "B_condlabel"]
    made = plan(subset("girl", *(item(f"girl/{name}", mask=name == "a") for name in names)))
    paths = sorted(made.images)
    assert len(paths) == len({path.casefold() for path in paths}) == 6
    assert [path for path in paths if path.endswith(("-masklabel.png", "-condlabel.png"))] == ["girl/a-masklabel.png"]
    assert made.items["girl/a_masklabel"] == "girl/a_masklabel.png"
    assert {path.rpartition(".")[0] for path in made.items.values()} == {
        path.removesuffix(".txt") for path in made.texts if path.endswith(".txt")
    }


NAMES = st.lists(
    st.sampled_from(["a", "A", "a_masklabel", "-masklabel", "x-condlabel"]).flatmap(
        lambda stem: st.sampled_from([stem, f"{stem}-masklabel", f"{stem}-condlabel", f"{stem}_condlabel"])
    ),
    unique_by=str.casefold,
    min_size=1,
)


@given_any(NAMES)
def test_whatever_stems_are_called_all_are_trained(names: list[str]) -> None:
    made = plan(subset("girl", *(item(f"girl/{name}") for name in names)))
    stems = [path.removeprefix("girl/").removesuffix(".png") for path in made.images]
    assert len({stem.casefold() for stem in stems}) == len(made.items) == len(names)
    assert not any(stem.endswith(("-masklabel", "-condlabel")) for stem in stems)


def test_what_is_random_is_cached_in_more_than_one_version() -> None:
    girl, held = subset("girl", item("girl/a")), subset("held", item("held/a"), is_validation=True)
    still = concepts(plan(girl, held))
    assert {(one["text_variations"], one["image_variations"]) for one in still.values()} == {(1, 1)}
    moved = concepts(plan(girl, held, shuffle_caption=True, flip_aug=True, own={"text_variations": 7}))
    assert (moved["girl"]["text_variations"], moved["girl"]["image_variations"]) == (7, 4)
    assert (moved["held"]["text_variations"], moved["held"]["image_variations"]) == (1, 1)
    assert moved["girl"]["image"]["enable_random_flip"]
    assert not moved["held"]["image"]["enable_random_flip"]
    assert not moved["held"]["text"]["enable_tag_shuffling"]


@pytest.mark.parametrize(
    ("captions", "common", "kept", "warns"),
    [
        (["sks, 1girl ||| solo", "sks, 1boy ||| hat"], {"shuffle_caption": True}, 2, False),
        (["sks, 1girl ||| solo", "sks ||| hat"], {"shuffle_caption": True}, 2, True),
        (["sks, 1girl ||| solo", "hat"], {"caption_tag_dropout_rate": 0.1}, 2, True),
        (["sks ||| solo"], {"shuffle_caption": True, "keep_tokens": 3}, 3, False),
        (["sks, 1girl ||| solo"], {}, 0, False),
    ],
)
def test_tags_before_a_separator_stay_in_front(
    captions: list[str], common: dict[str, Any], kept: int, *, warns: bool
) -> None:
    made = plan(subset("girl", *(item(f"girl/{n}", text) for n, text in enumerate(captions))), **common)
    assert concepts(made)["girl"]["text"]["keep_tags_count"] == kept
    assert any("separator" in warning for warning in made.warnings) == warns
    assert not any(b"|||" in data for data in made.texts.values())


def test_dropouts() -> None:
    girl = subset("girl", item("girl/a"))
    tags = concepts(plan(girl, caption_tag_dropout_rate=0.2))["girl"]["text"]
    assert (tags["tag_dropout_mode"], tags["tag_dropout_probability"]) == ("RANDOM", 0.2)
    whole = plan(girl, caption_dropout_rate=0.1)
    assert concepts(whole)["girl"]["text"]["tag_dropout_mode"] == "FULL"
    assert not whole.warnings
    both = plan(girl, caption_dropout_rate=0.1, caption_tag_dropout_rate=0.2)
    assert concepts(both)["girl"]["text"]["tag_dropout_mode"] == "RANDOM"
    assert both.warnings == ("OneTrainer has no caption dropout beside tags that drop or stay in front: girl",)
    kept = plan(girl, caption_dropout_rate=0.1, keep_tokens=1)
    assert not concepts(kept)["girl"]["text"]["tag_dropout_enable"]
    assert len(kept.warnings) == 1


@pytest.mark.parametrize(
    ("common", "size"),
    [
        ({}, "1024"),
        ({"resolution": 768}, "768"),
        ({"resolution": [768, 1152]}, "941"),
        ({"resolution": [768, 1152], "enable_bucket": False}, "768x1152"),
        ({"resolution": 512, "enable_bucket": False}, "512x512"),
    ],
)
def test_resolution_is_an_area_or_one_bucket(common: dict[str, Any], size: str) -> None:
    image = concepts(plan(subset("girl", item("girl/a")), **common))["girl"]["image"]
    assert (image["enable_resolution_override"], image["resolution_override"]) == (True, size)


def test_regularization_images_of_a_finetune_are_trained() -> None:
    reg = subset("reg", item("reg/a"), is_reg=True)
    assert any("LoRA" in warning for warning in plan(reg).warnings)
    assert not plan(reg, recipe=RECIPE).warnings
    finetune = plan(reg, recipe=msgspec.structs.replace(RECIPE, method="finetune"))
    assert concepts(finetune)["reg"]["type"] == "STANDARD"
    assert any("only a LoRA keeps" in warning for warning in finetune.warnings)
    assert concepts(plan(reg, own={"reg": "standard"}))["reg"]["type"] == "STANDARD"


def test_what_is_in_the_training_config_is_said_where_none_is_written() -> None:
    sets = (subset("a", item("a/a", mask=True)), subset("b", item("b/b"), is_validation=True))
    told = " ".join(plan(*sets, batch_size=4).warnings)
    assert all(word in told for word in ("batch size", "`validation`", "`masked_training`"))
    assert not plan(*sets, batch_size=4, recipe=RECIPE).warnings


def test_what_onetrainer_does_not_read_is_said() -> None:
    asked = given(
        subset("a", item("a/a")), bucket_reso_steps=32, min_bucket_reso=512, bucket_no_upscale=True, flip_aug=True
    )
    (told,) = unheld(EXPORT, asked)
    assert told.startswith("onetrainer has no place for ")
    assert [told.count(word) for word in ("bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso")] == [1, 1, 1]
    assert "flip_aug" not in told


@pytest.mark.parametrize(("folder", "own"), [("", {}), ("/set", {"paths": "relative"})])
def test_relative_paths_are_said(folder: str, own: dict[str, str]) -> None:
    made = plan(subset("girl", item("girl/a")), folder=folder, own=own)
    assert concepts(made)["girl"]["path"] == "girl"
    assert any("relative" in warning for warning in made.warnings)


def test_an_empty_caption_is_not_written_and_said() -> None:
    made = plan(subset("girl", item("girl/a", ""), item("girl/b")))
    assert "girl/a.txt" not in made.texts
    assert made.warnings == ("without caption, so that OneTrainer trains an empty prompt: girl/a",)


def test_the_config_names_the_concepts_and_carries_the_recipe() -> None:
    recipe = msgspec.structs.replace(
        RECIPE,
        prediction="v_prediction",
        zero_terminal_snr=True,
        rank=32,
        alpha=8.0,
        min_snr_gamma=5.0,
        optimizer="adamw8bit",
        batch_size=2,
        gradient_accumulation=2,
        warmup_steps=10,
        steps=100,
        text_encoder_learning_rate=5e-5,
        prompts=("sks",),
        resolution_px=(832, 1216),
    )
    made = given(subset("a", *(item(f"a/{n}", mask=True) for n in range(5)), repeats=4), recipe=recipe)
    files = EXPORT.configure(made, recipe) if EXPORT.configure else {}
    assert sorted(files) == ["onetrainer.json", "samples.json"]
    config = json.loads(files["onetrainer.json"])
    expected = {
        "__version": 11,
        "concept_file_name": "/set/export/x/concepts.json",
        "training_method": "LORA",
        "model_type": "STABLE_DIFFUSION_XL_10_BASE",
        "base_model_name": "base.safetensors",
        "batch_size": 2,
        "force_v_prediction": True,
        "rescale_noise_scheduler_to_zero_terminal_snr": True,
        "lora_rank": 32,
        "lora_alpha": 8.0,
        "loss_weight_fn": "MIN_SNR_GAMMA",
        "loss_weight_strength": 5.0,
        "epochs": 20,
        "learning_rate_warmup_steps": 20.0,
        "masked_training": True,
        "unmasked_weight": 0.0,
        "resolution": "1006",
    }
    assert {key: config[key] for key in expected} == expected
    assert config["optimizer"]["optimizer"] == "ADAMW_8BIT"
    assert config["text_encoder"] == config["text_encoder_2"]
    assert config["text_encoder"]["learning_rate"] == 5e-5
    (sample,) = json.loads(files["samples.json"])
    assert (sample["prompt"], sample["width"], sample["height"]) == ("sks", 832, 1216)
