"""`config.toml` for sd-scripts: keys and types of its scripts' arguments, and where its results go."""

from __future__ import annotations

import tomllib
from typing import Any

import pytest
from export_material import item, material, subset

from datakit.exports.formats.kohya import EXPORT
from datakit.exports.model import Subset
from datakit.exports.recipes.model import Recipe

# Arguments of library/train_util.py, library/sdxl_train_util.py, library/custom_train_functions.py and of each script.
SHARED: dict[str, type] = {
    "dataset_config": str, "output_dir": str, "output_name": str, "sample_prompts": str,
    "pretrained_model_name_or_path": str, "save_model_as": str, "save_precision": str, "save_every_n_epochs": int,
    "max_train_steps": int, "max_train_epochs": int, "gradient_accumulation_steps": int,
    "gradient_checkpointing": bool, "cache_latents": bool, "mixed_precision": str, "sdpa": bool, "seed": int,
    "max_token_length": int, "optimizer_type": str, "optimizer_args": list, "learning_rate": float,
    "lr_scheduler": str, "lr_warmup_steps": int, "max_grad_norm": float, "min_snr_gamma": float,
    "v_parameterization": bool, "zero_terminal_snr": bool, "prior_loss_weight": float, "masked_loss": bool,
    "sample_every_n_epochs": int, "sample_sampler": str, "clip_skip": int,
}  # fmt: skip
_NETWORK = {
    "network_module": str, "network_dim": int, "network_alpha": float, "network_train_unet_only": bool,
    "text_encoder_lr": list,
}  # fmt: skip
_SDXL = {"no_half_vae": bool, "cache_text_encoder_outputs": bool}
OWN = {
    "train_network.py": _NETWORK,
    "sdxl_train_network.py": {**_NETWORK, **_SDXL},
    "sdxl_train.py": {**_SDXL, "train_text_encoder": bool, "learning_rate_te1": float, "learning_rate_te2": float},
    "train_db.py": {"learning_rate_te": float, "stop_text_encoder_training": int},
}


def recipe(**fields: Any) -> Recipe:
    return Recipe(**{"name": "x", "architecture": "sdxl", "base": "b", **fields})


def config(given: Recipe, *subsets: Subset, **more: Any) -> tuple[dict[str, Any], str, dict[str, bytes]]:
    """(Values, script, all files), the values checked against the script's arguments."""
    assert EXPORT.configure is not None
    texts = EXPORT.configure(material(*subsets, export=EXPORT, recipe=given, **more), given)
    text = texts["config.toml"].decode()
    script = next(name for name in OWN if f"SD_SCRIPTS/{name} " in text)
    values = tomllib.loads(text)
    for key, value in values.items():
        assert type(value) is {**SHARED, **OWN[script]}[key], key
    return values, script, texts


A = subset("a", item("a/x"))


@pytest.mark.parametrize(
    ("architecture", "method", "script"),
    [
        ("sdxl", "lora", "sdxl_train_network.py"),
        ("sdxl", "finetune", "sdxl_train.py"),
        ("sd15", "lora", "train_network.py"),
        ("sd15", "finetune", "train_db.py"),
    ],
)
@pytest.mark.parametrize("rate", [0.0, 5e-5])
def test_each_script_gets_its_own_arguments(architecture: str, method: str, script: str, rate: float) -> None:
    given = recipe(architecture=architecture, method=method, cache_text=True, text_encoder_learning_rate=rate)
    values, found, _ = config(given, A)
    assert found == script
    assert values.get("cache_text_encoder_outputs", False) == (architecture == "sdxl" and not rate)
    assert ("clip_skip" in values) == (architecture == "sd15")


def test_what_the_dataset_needs_is_passed() -> None:
    masked, reg = subset("a", item("a/x", mask=True)), subset("r", item("r/x"), is_reg=True, loss_weight=0.5)
    values, _, _ = config(recipe(), masked, reg)
    assert (values["masked_loss"], values["prior_loss_weight"]) == (True, 0.5)
    assert "masked_loss" not in config(recipe(), A)[0]


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({"steps": 100}, {"max_train_steps": 100}),
        ({"precision": "fp32"}, {"mixed_precision": "no", "save_precision": "float"}),
        ({"scheduler": "constant", "warmup_steps": 5}, {"lr_scheduler": "constant_with_warmup"}),
        ({"max_tokens": 75}, {"max_token_length": None}),
        ({"max_tokens": 150}, {"max_token_length": 150}),
        ({"optimizer": "adamw8bit"}, {"optimizer_type": "AdamW8bit", "optimizer_args": ["weight_decay=0.01"]}),
        ({"optimizer": "prodigy"}, {"optimizer_type": "prodigy"}),
        ({"prediction": "v_prediction", "zero_terminal_snr": True}, {"v_parameterization": True}),
    ],
)
def test_words_are_sd_scripts_own(fields: dict[str, Any], wanted: dict[str, Any]) -> None:
    values, _, _ = config(recipe(**fields), A)
    assert {key: values.get(key) for key in wanted} == wanted
    assert ("max_train_epochs" in values) != ("max_train_steps" in values)


def test_adafactor_takes_the_learning_rate_that_is_said() -> None:
    values, _, _ = config(recipe(optimizer="adafactor"), A)
    assert "relative_step=False" in values["optimizer_args"]


def test_prompts_are_one_a_line_and_no_comment() -> None:
    values, _, texts = config(recipe(prompts=("#tag,\nb", "c"), negative="bad"), A)
    assert values["sample_prompts"] == "prompts.txt"
    assert texts["prompts.txt"].decode().splitlines() == [
        " #tag, b --n bad --w 1024 --h 1024 --d 0",
        "c --n bad --w 1024 --h 1024 --d 0",
    ]


def test_results_lie_outside_of_the_dataset_s_own_folders() -> None:
    assert config(recipe(), A, folder="/set/export/kohya")[0]["output_dir"] == "../../output"
    assert config(recipe(), A, folder="/elsewhere")[0]["output_dir"] == "output"
    values, _, _ = config(recipe(), A, folder="/set/export/kohya", own={"image_dirs": "absolute"})
    assert values["output_dir"] == "/set/export/kohya/../../output"
    assert values["dataset_config"] == "/set/export/kohya/dataset.toml"


def test_what_the_config_passes_is_not_asked_of_a_person_too() -> None:
    subsets = (subset("a", item("a/x", mask=True)), subset("r", item("r/x"), is_reg=True, loss_weight=0.5))
    for given, wanted in ((None, True), (recipe(), False)):
        told = EXPORT.plan(material(*subsets, export=EXPORT, recipe=given)).warnings
        assert any("must be told" in one for one in told) == wanted


@pytest.mark.parametrize(
    ("fields", "common", "words"),
    [
        ({"architecture": "sdxl"}, {"bucket_reso_steps": 32}, ""),
        ({"architecture": "sd15"}, {"bucket_reso_steps": 32}, "refuses it for SD 1.5"),
        ({"architecture": "sdxl"}, {"bucket_reso_steps": 16}, "refuses it for SDXL"),
        ({"cache_latents": True}, {"enable_bucket": False}, ""),
        ({"cache_latents": False}, {"enable_bucket": False}, "without buckets sd-scripts needs --cache_latents"),
    ],
)
def test_only_what_stops_the_recipes_own_model_is_told(
    fields: dict[str, Any], common: dict[str, Any], words: str
) -> None:
    subsets = (subset("a", item("a/x", size_px=(800, 600))),)
    told = EXPORT.plan(material(*subsets, export=EXPORT, recipe=recipe(**fields), **common)).warnings
    assert [words in one for one in told] == ([True] if words else [])
