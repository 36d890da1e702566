"""The export for ai-toolkit: its datasets, captions that it does not pull apart, and its job."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from exports.export_material import item, material, subset
from PIL import Image

from datakit.exports.expressing import unheld
from datakit.exports.formats.ai_toolkit import EXPORT
from datakit.exports.model import Material, Plan, Subset
from datakit.exports.recipes.model import Recipe

SDXL = Recipe(name="sdxl-lora", architecture="sdxl", base="stabilityai/stable-diffusion-xl-base-1.0")
TYPES = {
    "folder_path": str,
    "caption_ext": str,
    "default_caption": str,
    "num_repeats": int,
    "is_reg": bool,
    "loss_multiplier": float,
    "resolution": int,
    "batch_size": int,
    "buckets": bool,
    "shuffle_tokens": bool,
    "keep_tokens": int,
    "token_dropout_rate": float,
    "caption_dropout_rate": float,
    "flip_x": bool,
    "mask_path": str,
    "mask_min_value": float,
}
"""By toolkit/config_modules.py, DatasetConfig."""
GIRL = subset("girl", item("girl/x", "a, b c, d"), item("girl/y", "", extension="jpg"), class_tokens="1girl, solo")
HELD_BACK = subset("girl-validation", item("girl/z", "a, ||| b"), concept="girl", is_validation=True)


def asked(*subsets: Subset, **fields: Any) -> Material:
    return material(*subsets, export=EXPORT, **fields)


def planned(*subsets: Subset, **fields: Any) -> Plan:
    return EXPORT.plan(asked(*subsets, **fields))


def sections(plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(plan.texts["dataset.yaml"])
    return found


def job(given: Material, recipe: Recipe) -> dict[str, Any]:
    assert EXPORT.configure is not None
    found: dict[str, Any] = yaml.safe_load(EXPORT.configure(given, recipe)["config.yaml"])
    assert found["job"] == "extension"
    (process,) = found["config"]["process"]
    assert process["type"] == "sd_trainer"
    return dict(process)


def test_files_and_keys_are_those_that_the_trainer_reads() -> None:
    made = planned(GIRL, HELD_BACK)
    assert sorted(made.images) == ["images/girl/x.png", "images/girl/y.jpg", "validation/girl-validation/z.png"]
    assert sorted(made.texts) == ["dataset.yaml", "images/girl/x.txt", "validation/girl-validation/z.txt"]
    assert made.items["girl/x"] == "images/girl/x.png"
    (dataset,) = sections(made)["datasets"]
    assert {name: type(value) for name, value in dataset.items()} == {name: TYPES[name] for name in dataset}
    assert dataset["folder_path"] == "/set/export/x/images/girl"


@pytest.mark.parametrize(("caption", "written"), [("a, b c, d", "a,b c,d"), ("a, |||, b", "a,b"), ("1,000", "1,000")])
def test_captions_are_written_so_that_the_trainer_joins_them_as_they_were(caption: str, written: str) -> None:
    made = planned(subset("a", item("a/x", caption)))
    assert made.texts["images/a/x.txt"].decode() == written


def test_class_tokens_are_the_default_caption_and_empty_captions_have_no_file() -> None:
    (dataset,) = sections(planned(GIRL))["datasets"]
    assert dataset["default_caption"] == "1girl,solo"
    (told,) = planned(subset("a", item("a/x", ""))).warnings
    assert told == "without caption, so that ai-toolkit trains an empty prompt: a/x"


def test_what_is_held_back_is_no_dataset_and_validates() -> None:
    found = sections(planned(GIRL, HELD_BACK, resolution=512))
    assert [one["folder_path"] for one in found["datasets"]] == ["/set/export/x/images/girl"]
    assert found["train"]["validation_config"]["validation_items"] == [
        {"image_path": "/set/export/x/validation/girl-validation/z.png", "prompt": "a, b"}
    ]
    assert found["train"]["validation_config"]["resolution"] == 512


def test_where_masks_lack_white_ones_stand_in() -> None:
    made = planned(subset("a", item("a/x", mask=True), item("a/y")), subset("b", item("b/x")))
    assert "masks/a/x.png" in made.images
    white = Image.open(io.BytesIO(made.texts["masks/a/y.png"]))
    assert (white.mode, white.size, white.getpixel((0, 0))) == ("L", (1, 1), 255)
    with_masks, without = sections(made)["datasets"]
    assert with_masks["mask_path"] == "/set/export/x/masks/a"
    assert "mask_path" not in without


def test_without_buckets_there_are_no_masks_and_one_batch_size() -> None:
    made = planned(subset("a", item("a/x", mask=True)), enable_bucket=False, batch_size=3, resolution=[512, 1024])
    assert list(made.images) == ["images/a/x.png"]
    found = sections(made)
    assert "batch_size" not in found["datasets"][0]
    assert found["train"] == {"batch_size": 3}
    assert "ai-toolkit reads masks only where there are buckets: a" in made.warnings
    assert "without buckets ai-toolkit trains squares: 724 px in place of 512 x 1024" in made.warnings


def test_tags_before_a_separator_are_kept_from_dropout_and_shuffling_is_told() -> None:
    given = subset("a", item("a/x", "aria, ||| , b"), item("a/y", "aria, smile, ||| , b"))
    made = planned(given, caption_tag_dropout_rate=0.25)
    (dataset,) = sections(made)["datasets"]
    assert (dataset["keep_tokens"], dataset["token_dropout_rate"], dataset["shuffle_tokens"]) == (1, 0.25, False)
    assert made.warnings == ("captions keep different numbers of tags, and ai-toolkit only the least of them: a",)
    (told,) = planned(subset("a", item("a/x", "aria, ||| , b")), shuffle_caption=True).warnings
    assert told.startswith("ai-toolkit shuffles every tag")


def test_repeats_weights_and_regularization_are_held_and_bounds_are_told() -> None:
    given = asked(
        subset("a", item("a/x"), repeats=7, loss_weight=0.5), subset("b", item("b/x"), is_reg=True),
        max_bucket_reso=1536, flip_aug=True, bucket_no_upscale=True,
    )  # fmt: skip
    one, two = sections(EXPORT.plan(given))["datasets"]
    assert (one["num_repeats"], one["loss_multiplier"], one["flip_x"], "is_reg" in one) == (7, 0.5, True, False)
    assert two["is_reg"] is True
    assert list(unheld(EXPORT, given)) == ["ai-toolkit has no place for bounds of buckets (max_bucket_reso = 1536)"]


def test_an_archive_has_relative_paths_and_says_so() -> None:
    made = planned(GIRL, folder="")
    assert sections(made)["datasets"][0]["folder_path"] == "images/girl"
    assert any("relative" in told for told in made.warnings)


def test_a_folder_that_the_trainer_leaves_out_gets_another_name() -> None:
    made = planned(subset("_controls", item("_controls/x")))
    assert list(made.images) == ["images/__controls/x.png"]
    assert sections(made)["datasets"][0]["folder_path"].endswith("/images/__controls")


def test_a_job_holds_the_recipe() -> None:
    recipe = Recipe(
        name="noobai-vpred-lora", architecture="sdxl", base="b.safetensors", prediction="v_prediction",
        zero_terminal_snr=True, epochs=4, batch_size=2, gradient_accumulation=2, rank=8, alpha=4.0, seed=7,
        prompts=("1girl",), negative="bad", min_snr_gamma=5.0, text_encoder_learning_rate=1e-5, scheduler="linear",
    )  # fmt: skip
    given = asked(subset("a", item("a/x"), item("a/y"), repeats=5), subset("r", item("r/x"), is_reg=True), batch_size=2)
    found = job(given, recipe)
    assert found["network"] == {"type": "lora", "linear": 8, "linear_alpha": 4.0}
    train = found["train"]
    # 10 images, 5 batches, 3 updates; regularization takes every second step; 4 epochs.
    assert (train["steps"], found["save"]["save_every"], train["gradient_accumulation"]) == (24, 6, 2)
    assert (train["lr"], train["text_encoder_lr"], train["min_snr_gamma"]) == (1e-4, 1e-5, 5.0)
    assert train["lr_scheduler_params"] == {"start_factor": 1.0, "end_factor": 0.0}
    assert (found["model"]["arch"], found["model"]["is_v_pred"], found["training_seed"]) == ("sdxl", True, 7)
    assert (found["sample"]["prompts"], found["sample"]["neg"]) == (["1girl"], "bad")
    assert [one["cache_latents_to_disk"] for one in found["datasets"]] == [True, True]


def test_a_finetune_has_no_network_and_without_prompts_nothing_is_sampled() -> None:
    found = job(asked(GIRL), Recipe(name="sd15-finetune", architecture="sd15", base="b", method="finetune", steps=90))
    assert "network" not in found
    assert (found["train"]["steps"], found["train"]["disable_sampling"]) == (90, True)
    assert (found["model"]["arch"], found["train"]["train_text_encoder"]) == ("sd1", False)


def test_a_job_says_what_it_does_not_hold() -> None:
    assert EXPORT.configure is not None
    recipe = Recipe(name="x", architecture="sdxl", base="b", zero_terminal_snr=True, warmup_steps=9, advice=("so\nso",))
    text = EXPORT.configure(asked(GIRL), recipe)["config.yaml"].decode()
    for told in (
        "for zero terminal SNR",
        "the recipe's 9 steps",
        "first 75 tokens of a caption: the recipe has 225",
        "# so so",
    ):
        assert told in text
