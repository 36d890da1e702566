"""The folders and the JSON config of kohya_ss."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from export_material import item, material, subset

from datakit.exports.formats.kohya_gui import EXPORT
from datakit.exports.model import Plan, Subset
from datakit.exports.recipes.model import Recipe

# Fields of FIELD_REGISTRY (kohya_gui/lora_gui.py, dreambooth_gui.py), with the types that test/config/*.json has.
FIELDS = {
    "LoRA_type": str, "additional_parameters": str, "bucket_no_upscale": bool, "bucket_reso_steps": int,
    "cache_latents": bool, "caption_dropout_rate": float, "caption_extension": str, "clip_skip": int,
    "dataset_config": str, "enable_bucket": bool, "epoch": int, "flip_aug": bool, "gradient_accumulation_steps": int,
    "gradient_checkpointing": bool, "keep_tokens": int, "learning_rate": float, "learning_rate_te": float,
    "learning_rate_te1": float, "learning_rate_te2": float, "logging_dir": str, "lr_scheduler": str, "lr_warmup": int,
    "lr_warmup_steps": int, "masked_loss": bool, "max_bucket_reso": int, "max_grad_norm": float,
    "max_resolution": str, "max_token_length": int, "max_train_epochs": int, "max_train_steps": int,
    "min_bucket_reso": int, "min_snr_gamma": int, "mixed_precision": str, "model_list": str, "network_alpha": float,
    "network_dim": int, "optimizer": str, "optimizer_args": str, "output_dir": str, "output_name": str,
    "pretrained_model_name_or_path": str, "prior_loss_weight": float, "reg_data_dir": str,
    "sample_every_n_epochs": int, "sample_prompts": str, "sample_sampler": str, "save_every_n_epochs": int,
    "save_model_as": str, "save_precision": str, "sdxl": bool, "sdxl_cache_text_encoder_outputs": bool,
    "sdxl_no_half_vae": bool, "seed": int, "shuffle_caption": bool, "text_encoder_lr": float, "train_batch_size": int,
    "train_data_dir": str, "unet_lr": float, "v2": bool, "v_parameterization": bool, "xformers": str,
}  # fmt: skip


def plan(*subsets: Subset, **common: Any) -> Plan:
    return EXPORT.plan(material(*subsets, export=EXPORT, **common))


def config(texts: dict[str, bytes]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(texts["kohya_gui.json"])
    for key, value in found.items():
        assert type(value) is FIELDS[key], key
    return found


def test_folders_and_config() -> None:
    made = plan(
        subset("a", item("a/x"), repeats=5), subset("r", item("r/x"), is_reg=True, loss_weight=0.5, repeats=2),
        resolution=[832, 1216], batch_size=2, keep_tokens=1,
    )  # fmt: skip
    assert sorted(made.images) == ["img/5_a/x.png", "reg/2_r/x.png"]
    found = config(made.texts)
    assert found["train_data_dir"] == "/set/export/x/img"
    assert found["reg_data_dir"] == "/set/export/x/reg"
    assert (found["dataset_config"], found["max_resolution"], found["prior_loss_weight"]) == ("", "832,1216", 0.5)
    assert "dataset.toml" not in made.texts
    assert made.warnings == ()


def test_the_folder_s_name_is_a_caption_unless_class_tokens_are() -> None:
    made = plan(subset("a", item("a/x", ""), class_tokens="sks girl"), subset("b", item("b/x", "")))
    assert made.texts["img/1_a/x.txt"] == b"sks girl"
    assert made.warnings == ("without caption, so that the folder's name is trained: b/x",)


@pytest.mark.parametrize(
    ("more", "common"),
    [
        ([subset("v", item("v/x"), is_validation=True)], {}),
        ([subset("m", item("m/x", mask=True))], {}),
        ([subset("s", item("s/x", "sks, |||, hat"))], {"shuffle_caption": True}),
        ([], {"caption_tag_dropout_rate": 0.1}),
    ],
)
def test_what_folders_cannot_say_a_dataset_toml_does(more: list[Subset], common: dict[str, Any]) -> None:
    made = plan(subset("a", item("a/x")), *more, **common)
    found = config(made.texts)
    assert (found["train_data_dir"], found["dataset_config"]) == ("", "/set/export/x/dataset.toml")
    table = tomllib.loads(made.texts["dataset.toml"].decode())
    paths = [row["image_dir"] for one in table["datasets"] for row in one["subsets"]]
    assert len(paths) == 1 + len(more)
    assert all(path.startswith("/set/export/x/") for path in paths)
    assert found["masked_loss"] == any("conditioning_data_dir" in one["subsets"][0] for one in table["datasets"])
    assert any("set epochs or steps in the GUI" in one for one in made.warnings)


def test_results_go_nowhere_that_dsk_takes_note_of() -> None:
    inside = config(plan(subset("a", item("a/x")), folder="/set/export/kohya-gui").texts)
    assert (inside["output_dir"], inside["logging_dir"]) == ("/set/output/model", "/set/output/log")
    outside = config(plan(subset("a", item("a/x")), folder="/elsewhere").texts)
    assert (outside["output_dir"], outside["logging_dir"]) == ("/elsewhere/model", "/elsewhere/log")
    lost = plan(subset("a", item("a/x")), folder="")
    assert config(lost.texts)["train_data_dir"] == "img"
    assert any("relative paths" in one for one in lost.warnings)


@pytest.mark.parametrize("method", ["lora", "finetune"])
@pytest.mark.parametrize("architecture", ["sdxl", "sd15"])
def test_a_starter_config_fills_the_fields(method: Any, architecture: Any) -> None:
    recipe = Recipe(
        name="x", architecture=architecture, method=method, base="b", prediction="v_prediction",
        zero_terminal_snr=True, prompts=("sks",), min_snr_gamma=5.0, cache_text=True,
    )  # fmt: skip
    given = material(subset("a", item("a/x"), repeats=5), export=EXPORT, recipe=recipe)
    assert EXPORT.configure is not None
    found = config(EXPORT.configure(given, recipe))
    assert found["train_data_dir"] == "/set/export/x/img"
    assert found["additional_parameters"] == "--zero_terminal_snr"
    assert found["sdxl"] == found["sdxl_cache_text_encoder_outputs"] == (architecture == "sdxl")
    assert ("network_dim" in found) == (method == "lora")


def test_its_images_are_those_that_it_counts() -> None:
    assert EXPORT.extensions == {"png", "jpg", "webp"}
