"""The export for diffusers' example scripts: rows, class images, and the script that starts them."""

from __future__ import annotations

import json
import shlex
from typing import Any

import pytest
from exports.export_material import item, material, subset

from datakit.exports.configs.diffusers import steps_of_epoch
from datakit.exports.formats.diffusers import EXPORT
from datakit.exports.model import Material, Plan, Subset
from datakit.exports.recipes.model import Recipe

SDXL = Recipe(name="sdxl-lora", architecture="sdxl", base="stabilityai/stable-diffusion-xl-base-1.0")
REG = subset("girl", item("girl/x"), item("girl/y"), is_reg=True, class_tokens="1girl", loss_weight=0.5)


def rows(plan: Plan, split: str = "train") -> list[dict[str, Any]]:
    return [json.loads(line) for line in plan.texts[f"{split}/metadata.jsonl"].decode().splitlines()]


def options(given: Material) -> tuple[str, dict[str, str]]:
    """(script, option → value) of train.sh; '' where an option has none."""
    assert given.recipe is not None
    assert EXPORT.configure is not None
    text = EXPORT.configure(given, given.recipe)["train.sh"].decode()
    words = shlex.split(text.partition('cd "$(dirname "$0")"\n')[2].replace("\\\n", " "))
    script = next(word for word in words if word.endswith(".py"))
    pairs = [word.removeprefix("--").partition("=") for word in words[words.index(script) + 1 :]]
    return script.rpartition("/")[2], {name: value for name, _, value in pairs}


def asked(*subsets: Subset, recipe: Recipe | None = SDXL, own: dict[str, Any] | None = None, **common: Any) -> Material:
    return material(*subsets, export=EXPORT, recipe=recipe, own=own, **common)


def test_a_repeated_image_has_as_many_rows() -> None:
    made = EXPORT.plan(asked(subset("a", item("a/x", "1girl"), item("a/y", ""), repeats=3, class_tokens="a girl")))
    assert (
        rows(made) == [{"file_name": "a/x.png", "text": "1girl"}] * 3 + [{"file_name": "a/y.png", "text": "a girl"}] * 3
    )
    assert sorted(made.images) == ["train/a/x.png", "train/a/y.png"]


def test_what_is_held_back_is_in_no_folder_that_a_script_reads() -> None:
    held_back = subset("a-validation", item("a/z"), concept="a", is_validation=True)
    made = EXPORT.plan(asked(subset("a", item("a/x")), held_back))
    assert [row["file_name"] for row in rows(made)] == ["a/x.png"]
    assert rows(made, "validation")[0]["file_name"] == "a-validation/z.png"
    assert options(asked(subset("a", item("a/x")), held_back))[1]["train_data_dir"] == "train"


def test_class_images_lie_in_one_folder_and_nothing_else_does() -> None:
    other = subset("boy", item("boy/x", extension="jpg"), is_reg=True)
    given = asked(subset("a", item("a/x"), class_tokens="aria"), REG, other, own={"script": "dreambooth"})
    made = EXPORT.plan(given)
    found = [path for path in (*made.images, *made.texts) if path.startswith("class_images/")]
    assert len({path.rpartition(".")[0].casefold() for path in found}) == 3
    assert all(path.count("/") == 1 and path.endswith((".png", ".jpg")) for path in found)
    assert made.items["girl/y"] in found
    assert len(rows(made)) == 1
    script, told = options(given)
    assert script == "train_dreambooth_lora_sdxl_advanced.py"
    assert "with_prior_preservation" in told
    names = ("class_data_dir", "class_prompt", "num_class_images", "instance_prompt", "dataset_name", "repeats")
    assert [told[name] for name in names] == ["class_images", "1girl", "3", "aria", ".", "1"]


def test_only_dreambooth_reads_class_images() -> None:
    made = EXPORT.plan(asked(subset("a", item("a/x")), REG, recipe=None))
    assert made.warnings == ('only script = "dreambooth" reads regularization images: girl',)
    assert not [name for name in options(asked(subset("a", item("a/x")), REG))[1] if "class" in name]


@pytest.mark.parametrize(
    ("changes", "script"),
    [
        ({}, "train_text_to_image_lora_sdxl.py"),
        ({"method": "finetune"}, "train_text_to_image_sdxl.py"),
        ({"architecture": "sd15"}, "train_text_to_image_lora.py"),
        ({"architecture": "sd15", "method": "finetune"}, "train_text_to_image.py"),
    ],
)
def test_the_script_is_that_of_the_recipe(changes: dict[str, Any], script: str) -> None:
    recipe = Recipe(**{"name": "x", "architecture": "sdxl", "base": "b", **changes})
    assert options(asked(subset("a", item("a/x")), recipe=recipe))[0] == script


def test_a_recipe_is_carried_over() -> None:
    recipe = Recipe(
        name="x",
        architecture="sdxl",
        prediction="v_prediction",
        base="my model's folder",
        rank=32,
        learning_rate=3e-5,
        optimizer="adamw8bit",
        warmup_steps=20,
        epochs=7,
        batch_size=2,
        precision="fp16",
        min_snr_gamma=5.0,
        seed=9,
        prompts=("1girl, 'solo'",),
        resolution_px=(768, 768),
    )
    subsets = subset("a", item("a/x"), item("a/y"), item("a/z"), repeats=3)
    _, told = options(asked(subsets, recipe=recipe, flip_aug=True, resolution=768))
    assert (
        told.items()
        >= {
            "pretrained_model_name_or_path": "my model's folder",
            "rank": "32",
            "learning_rate": "3e-05",
            "lr_warmup_steps": "20",
            "num_train_epochs": "7",
            "train_batch_size": "2",
            "mixed_precision": "fp16",
            "snr_gamma": "5.0",
            "seed": "9",
            "resolution": "768",
            "prediction_type": "v_prediction",
            "validation_prompt": "1girl, 'solo'",
            "checkpointing_steps": "5",
            "use_8bit_adam": "",
            "random_flip": "",
        }.items()
    )
    assert "max_train_steps" not in told


def test_an_epoch_is_every_row_once() -> None:
    given = asked(subset("a", item("a/x"), item("a/y"), item("a/z"), repeats=3), REG)
    recipe = Recipe(name="x", architecture="sdxl", base="b", batch_size=2, gradient_accumulation=2)
    assert steps_of_epoch(given, recipe) == 3


def test_what_the_scripts_cannot_do_is_said() -> None:
    recipe = Recipe(
        name="x", architecture="sdxl", base="pony.safetensors", optimizer="adafactor", rank=8, alpha=4, clip_skip=2
    )
    assert EXPORT.configure is not None
    given = asked(subset("a", item("a/x")), recipe=recipe)
    text, told = EXPORT.configure(given, recipe)["train.sh"].decode(), "; ".join(EXPORT.plan(given).warnings)
    for words in ("convert pony.safetensors", "has 4", "AdamW in 8 bits", "clip_skip 2", "first 75 tokens"):
        assert words in text
        assert words in told


@pytest.mark.parametrize(
    ("common", "words"),
    [
        ({"resolution": [1024, 768]}, "768 px in place of 1024 × 768"),
        ({"flip_aug": True, "batch_size": 4}, "batch_size = 4, flip_aug = true"),
    ],
)
def test_what_stands_on_the_command_line_only_is_said(common: dict[str, Any], words: str) -> None:
    warnings = EXPORT.plan(asked(subset("a", item("a/x")), recipe=None, **common)).warnings
    assert words in " ".join(warnings)


def test_images_that_are_cropped_are_counted() -> None:
    made = EXPORT.plan(asked(subset("a", item("a/x"), item("a/y", size_px=(800, 1200))), recipe=None))
    assert made.warnings == ("the scripts have no buckets: what is no square is cropped to one: 1 of 2 images",)


@pytest.mark.parametrize(
    ("script", "words"), [("dreambooth", "cannot be repeated"), ("text-to-image", "only script = ")]
)
def test_one_thing_is_told_of_regularization_images(script: str, words: str) -> None:
    again = subset("r", item("r/x"), is_reg=True, repeats=2)
    (told,) = EXPORT.plan(asked(subset("a", item("a/x")), again, recipe=None, own={"script": script})).warnings
    assert words in told
