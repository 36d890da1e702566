"""The data backends of SimpleTuner: a golden tree, the types of keys, and each trap."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from exports.export_material import item, material, subset
from hypothesis import given as given_any
from hypothesis import strategies as st

from datakit.exports.configs.simpletuner import aspect, bucket_px, buckets
from datakit.exports.expressing import unheld
from datakit.exports.formats.simpletuner import EXPORT
from datakit.exports.model import Material, Plan
from datakit.exports.recipes.model import Recipe

BACKEND: dict[str, type] = {
    "id": str,
    "type": str,
    "dataset_type": str,
    "instance_data_dir": str,
    "caption_strategy": str,
    "metadata_backend": str,
    "resolution": int,
    "resolution_type": str,
    "minimum_image_size": int,
    "crop": bool,
    "crop_style": str,
    "crop_aspect": str,
    "repeats": int,
    "cache_dir_vae": str,
}
RECIPE = Recipe(name="sdxl-lora", architecture="sdxl", base="base.safetensors", max_tokens=75)


def given(*subsets: Any, **said: Any) -> Material:
    return material(*subsets, export=EXPORT, **{"own": {"ids_of_content": False}, **said})


def plan(*subsets: Any, **said: Any) -> Plan:
    return EXPORT.plan(given(*subsets, **said))


def backends(made: Plan) -> dict[str, dict[str, Any]]:
    return {backend["id"]: backend for backend in json.loads(made.texts["multidatabackend.json"])}


def test_a_folder_a_subset_with_a_caption_beside_each_image() -> None:
    made = plan(
        subset("girl", item("girl/a"), item("girl/b", "", extension="jpg"), repeats=3, class_tokens="sks"),
        subset("held", item("held/c", ""), is_validation=True, repeats=5),
    )
    assert sorted(made.images) == ["girl/a.png", "girl/b.jpg", "held/c.png"]
    captions = {path: data for path, data in made.texts.items() if path.endswith(".txt")}
    assert captions == {"girl/a.txt": b"1girl, solo", "girl/b.txt": b"sks", "held/c.txt": b""}
    assert made.items == {"girl/a": "girl/a.png", "girl/b": "girl/b.jpg", "held/c": "held/c.png"}
    assert any("empty prompt" in warning and "held/c" in warning for warning in made.warnings)


def test_backends_have_the_keys_of_the_factory_and_their_types() -> None:
    made = plan(
        subset("girl", item("girl/a"), repeats=3),
        subset("reg", item("reg/a"), is_reg=True),
        subset("held", item("held/a"), is_validation=True, repeats=5),
        resolution=[832, 1216],
    )
    found = backends(made)
    assert list(found) == ["girl", "held", "reg", "text-embeds"]
    text = found.pop("text-embeds")
    assert (text["dataset_type"], text["default"], text["cache_dir"]) == ("text_embeds", True, "cache/text")
    for backend in found.values():
        extra = {"train_batch_size": int, "is_regularisation_data": bool}
        assert {key: type(value) for key, value in backend.items() if key not in extra} == BACKEND
        assert all(type(value) is extra[key] for key, value in backend.items() if key in extra)
        assert backend["resolution"] == 1006
    assert [found[name]["repeats"] for name in ("girl", "reg", "held")] == [2, 0, 0]
    assert [found[name]["dataset_type"] for name in ("girl", "reg", "held")] == ["image", "image", "eval"]
    assert found["reg"]["is_regularisation_data"]
    assert found["girl"]["instance_data_dir"] == "/set/export/x/girl"
    assert found["girl"]["cache_dir_vae"] == "cache/vae/girl"
    assert not {key for one in found.values() for key in one if key.startswith("delete_")}


def test_masks_have_the_names_of_their_images_and_lie_elsewhere() -> None:
    made = plan(
        subset("girl", item("girl/a", mask=True, extension="jpg"), item("girl/b", mask=True)),
        subset("boy", item("boy/a", mask=True), item("boy/b")),
        subset("held", item("held/a", mask=True), is_validation=True),
    )
    masks = sorted(path for path in made.images if path.startswith("masks/"))
    assert masks == ["masks/girl/a.jpg", "masks/girl/b.png"]
    found = backends(made)
    assert found["girl"]["conditioning_data"] == "girl-mask"
    mask = found["girl-mask"]
    assert (mask["dataset_type"], mask["conditioning_type"]) == ("conditioning", "mask")
    assert (mask["source_dataset_id"], mask["instance_data_dir"]) == ("girl", "/set/export/x/masks/girl")
    assert mask["caption_strategy"] is None
    assert list(found).index("girl") < list(found).index("girl-mask")
    assert "conditioning_data" not in found["boy"]
    assert "conditioning_data" not in found["held"]
    assert any(warning.startswith("masks are left out") and "boy, held" in warning for warning in made.warnings)


def test_a_concept_called_masks_keeps_its_folder_to_itself() -> None:
    made = plan(subset("Masks", item("Masks/a", mask=True)))
    assert sorted(made.images) == ["Masks/a.png", "masks_/Masks/a.png"]
    assert backends(made)["Masks-mask"]["instance_data_dir"] == "/set/export/x/masks_/Masks"


def ids(**said: Any) -> str:
    name = next(iter(backends(EXPORT.plan(material(said.pop("one"), export=EXPORT, **said)))))
    assert name.startswith("girl-")
    assert len(name) == len("girl-") + 8
    return name


def test_an_id_changes_with_images_and_what_simpletuner_remembers_of_it() -> None:
    one, other = subset("girl", item("girl/a")), subset("girl", item("girl/a", image=item("girl/b").image))
    before = ids(one=one)
    assert before == ids(one=one)
    assert before == ids(one=subset("girl", item("girl/a", "other words"), repeats=4))
    assert len({before, ids(one=other), ids(one=one, resolution=768), ids(one=one, shuffle_caption=True)}) == 4


def test_shuffled_captions_keep_what_stands_before_the_separator() -> None:
    girl = subset("girl", item("girl/a", "sks, 1girl ||| solo"), item("girl/b", "sks ||| hat"))
    held = subset("held", item("held/a"), is_validation=True)
    made = plan(girl, held, shuffle_caption=True, own={"shuffled_captions": 3, "ids_of_content": False})
    found = backends(made)
    assert found["girl"]["caption_shuffle"] == {
        "enable": True,
        "count": 3,
        "seed": 0,
        "split_on": "comma",
        "position_start": 2,
        "include_original": False,
    }
    assert "caption_shuffle" not in found["held"]
    assert made.texts["girl/a.txt"] == b"sks, 1girl, solo"
    assert any("separator" in warning for warning in made.warnings)


@pytest.mark.parametrize(
    ("common", "shape"),
    [
        ({}, {"crop_aspect": "preserve"}),
        ({"enable_bucket": False}, {"crop_aspect": "square"}),
        (
            {"enable_bucket": False, "resolution": [832, 1216]},
            {"crop_aspect": "closest", "crop_aspect_buckets": [0.68]},
        ),
    ],
)
def test_shapes(common: dict[str, Any], shape: dict[str, Any]) -> None:
    backend = backends(plan(subset("girl", item("girl/a")), **common))["girl"]
    assert {key: value for key, value in backend.items() if key.startswith("crop_aspect")} == shape


@pytest.mark.parametrize(
    ("size_px", "bucket"),
    [
        ((1024, 1024), (1024, 1024)),
        ((1000, 1024), (1024, 1024)),
        ((512, 768), (832, 1280)),
        ((1920, 1080), (1344, 768)),
        ((1, 5000), (128, 10240)),
    ],
)
def test_buckets_are_aligned_to_64_px(size_px: tuple[int, int], bucket: tuple[int, int]) -> None:
    assert bucket_px(aspect(size_px), 1024) == bucket


@given_any(st.tuples(st.integers(1, 20_000), st.integers(1, 20_000)), st.integers(64, 4096))
def test_any_size_has_a_bucket(size_px: tuple[int, int], edge: int) -> None:
    assert all(side >= 64 and not side % 64 for side in bucket_px(aspect(size_px), edge))


def test_one_shape_that_is_no_multiple_of_64_is_said() -> None:
    girl = subset("girl", item("girl/a"))
    assert any("1024x1024" in warning for warning in plan(girl, resolution=1000, enable_bucket=False).warnings)
    assert not plan(girl, resolution=[832, 1216], enable_bucket=False).warnings


def test_buckets_that_fill_no_batch_are_said() -> None:
    wide, tall = {"size_px": (1920, 1080)}, {"size_px": (512, 768)}
    girl = subset("girl", *(item(f"girl/{n}", **(wide if n else tall)) for n in range(4)), repeats=2)
    assert buckets(girl, given(girl)) == {1.75: 3, 0.65: 1}
    assert not any("buckets" in warning for warning in plan(girl, batch_size=2).warnings)
    (told,) = [warning for warning in plan(girl, batch_size=4).warnings if "buckets" in warning]
    assert "girl 0.65 (2 shown)" in told
    assert "1.75" not in told


def test_what_simpletuner_does_not_read_is_said() -> None:
    asked = given(
        subset("a", item("a/a"), loss_weight=0.5),
        flip_aug=True,
        caption_tag_dropout_rate=0.1,
        bucket_reso_steps=32,
        bucket_no_upscale=True,
    )
    (told,) = unheld(EXPORT, asked)
    assert told.startswith("simpletuner has no place for loss weights (a); ")
    for word in ("flip_aug = true", "caption_tag_dropout_rate = 0.1", "bucket_reso_steps = 32", "bucket_no_upscale"):
        assert word in told


def test_what_is_in_the_config_is_said_where_none_is_written() -> None:
    held = subset("b", item("b/b"), is_validation=True)
    told = " ".join(plan(held, caption_dropout_rate=0.1).warnings)
    assert "caption_dropout_probability to 0.1" in told
    assert "eval_epoch_interval" in told
    assert not plan(held, caption_dropout_rate=0.1, recipe=RECIPE).warnings
    assert any("relative" in warning for warning in plan(held, folder="", recipe=RECIPE).warnings)


def configured(material: Material, recipe: Recipe) -> dict[str, Any]:
    files = EXPORT.configure(material, recipe) if EXPORT.configure else {}
    return {name: json.loads(data) for name, data in files.items()}


def test_the_config_names_the_backends_and_carries_the_recipe() -> None:
    recipe = msgspec.structs.replace(
        RECIPE,
        prediction="v_prediction",
        zero_terminal_snr=True,
        rank=32,
        alpha=8.0,
        min_snr_gamma=4.6,
        optimizer="adamw8bit",
        batch_size=2,
        steps=100,
        prompts=("sks", "sks, hat"),
        resolution_px=(832, 1216),
    )
    held = subset("held", item("held/a"), item("held/b"), is_validation=True)
    made = given(subset("a", *(item(f"a/{n}") for n in range(5)), repeats=4), held, recipe=recipe)
    files = configured(made, recipe)
    assert sorted(files) == ["config.json", "user_prompt_library.json"]
    expected = {
        "data_backend_config": "/set/export/x/multidatabackend.json",
        "model_family": "sdxl",
        "model_type": "lora",
        "prediction_type": "v_prediction",
        "rescale_betas_zero_snr": True,
        "lora_rank": 32,
        "lora_alpha": 8.0,
        "snr_gamma": 5,
        "optimizer": "bnb-adamw8bit",
        "num_train_epochs": 0,
        "max_train_steps": 100,
        "resolution": 1006,
        "train_batch_size": 2,
        "num_eval_images": 2,
        "validation_prompt": "sks",
        "validation_step_interval": 10,
    }
    assert {key: files["config.json"][key] for key in expected} == expected
    assert set(files["user_prompt_library.json"].values()) == {"sks", "sks, hat"}
    found = backends(EXPORT.plan(made))
    assert found["a"]["train_batch_size"] == 2
    assert found["a"]["cache_dir_vae"] == "cache/sdxl-216c4e92/vae/a"
    other = msgspec.structs.replace(recipe, base="other.safetensors")
    assert found["text-embeds"] != backends(plan(subset("a", item("a/a")), recipe=other))["text-embeds"]
    assert any("snr_gamma" in warning for warning in EXPORT.plan(made).warnings)


def test_an_empty_prompt_is_encoded_where_an_image_has_no_caption() -> None:
    bare, full = subset("a", item("a/a", "")), subset("a", item("a/a"))
    assert configured(given(full, recipe=RECIPE), RECIPE)["config.json"]["caption_dropout_probability"] == 0
    assert 0 < configured(given(bare, recipe=RECIPE), RECIPE)["config.json"]["caption_dropout_probability"] < 1e-5
    dropped = given(bare, recipe=RECIPE, caption_dropout_rate=0.2)
    assert configured(dropped, RECIPE)["config.json"]["caption_dropout_probability"] == 0.2
