"""Recipes: every model and method, fitted into GPUs, with [bake] laid over them, and honest about what does not fit."""

from __future__ import annotations

from typing import Any

import pytest

from datakit.errors import ConfigError, UsageError
from datakit.exports.recipes.making import recipe_for, recipe_names
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Asked, Common, Flags
from trainer.config import Config
from trainer.updates.table import rate


def recipe(name: str, *, vram_gb: int = 0, bake: dict[str, Any] | None = None, **common: Any) -> Recipe:
    return recipe_for(name, Asked(common=Common(**common), own=None, bake=bake or {}, flags=Flags(vram_gb=vram_gb)))


@pytest.mark.parametrize("name", recipe_names())
def test_every_recipe_trains_what_its_name_says(name: str) -> None:
    made = recipe(name)
    assert made.name == name
    assert made.method == name.rpartition("-")[2]
    assert made.architecture == ("sd15" if name.startswith("sd15") else "sdxl")
    assert (made.prediction, made.zero_terminal_snr) == (
        ("v_prediction", True) if "vpred" in name else ("epsilon", False)
    )
    assert made.learning_rate == (1e-4 if made.method == "lora" else 1e-5)
    assert made.base


@pytest.mark.parametrize(
    ("name", "vram_gb", "said"),
    [
        ("sdxl-lora", 24, {"optimizer": "adamw", "cache_text": False, "rank": 8}),
        ("sdxl-lora", 16, {"optimizer": "adamw8bit", "cache_text": False, "rank": 8}),
        ("sdxl-lora", 10, {"optimizer": "adamw8bit", "cache_text": True, "rank": 8}),
        ("sdxl-lora", 8, {"optimizer": "adamw8bit", "cache_text": True, "rank": 4, "alpha": 4.0}),
        ("sdxl-finetune", 80, {"optimizer": "adamw", "cache_text": True}),
        ("sdxl-finetune", 24, {"optimizer": "adafactor", "cache_text": True}),
        ("sd15-lora", 6, {"optimizer": "adamw8bit"}),
    ],
)
def test_less_memory_changes_the_recipe(name: str, vram_gb: int, said: dict[str, Any]) -> None:
    made = recipe(name, vram_gb=vram_gb)
    assert {field: getattr(made, field) for field in said} == said
    assert made.vram_gb == vram_gb


@pytest.mark.parametrize(("name", "vram_gb"), [("sdxl-lora", 6), ("noobai-finetune", 16), ("sd15-finetune", 8)])
def test_a_gpu_that_is_too_small_is_refused_with_a_way_out(name: str, vram_gb: int) -> None:
    with pytest.raises(UsageError, match=f"{name} does not fit into {vram_gb} GB") as caught:
        recipe(name, vram_gb=vram_gb)
    assert "LoRA" in caught.value.hint


def test_bake_comes_before_the_recipe_and_before_the_gpu() -> None:
    bake = {
        "model": {"base": "models/mine.safetensors"},
        "adapter": {"rank": 4, "alpha": 2},
        "objective": {"name": "v_prediction"},
        "optimizer": {"learning_rate": 3e-4},
        "train": {"steps": 500, "seed": 7, "precision": "fp32"},
        "sample": {"prompts": ["a", "b"]},
    }
    made = recipe("sdxl-lora", vram_gb=8, bake=bake)
    assert (made.base, made.rank, made.alpha, made.prediction) == ("models/mine.safetensors", 4, 2.0, "v_prediction")
    assert (made.learning_rate, made.steps, made.seed, made.precision) == (3e-4, 500, 7, "fp32")
    assert made.prompts == ("a", "b")


@pytest.mark.parametrize("changes", [{"shuffle_caption": True}, {"caption_dropout_rate": 0.1}])
def test_text_is_not_cached_where_captions_change_and_that_is_said(changes: dict[str, Any]) -> None:
    made = recipe("sdxl-lora", vram_gb=10, **changes)
    assert not made.cache_text
    assert any("text is not cached" in line for line in made.advice)
    assert not recipe("sdxl-lora", **changes).advice


def test_a_resolution_far_from_the_models_own_and_a_large_batch_are_told() -> None:
    assert "512 px" in recipe("sd15-lora", resolution=1536).advice[0]
    assert not recipe("sd15-lora", resolution=768).advice
    assert "set [export] resolution = 512" in recipe("sd15-lora").advice[0]  # 1024 is what nobody asked for
    (said,) = recipe("sdxl-lora", vram_gb=8, batch_size=4).advice
    assert "batch_size = 1; [export] has 4" in said
    assert not recipe("sdxl-lora", vram_gb=24, batch_size=4).advice


def test_an_unknown_recipe_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        recipe("sdxl-lroa")
    assert caught.value.hint == "did you mean 'sdxl-lora'?"


@pytest.mark.parametrize(
    ("bake", "where", "hint"),
    [
        ({"train": {"steps": "many"}}, "train] steps: Expected `int`, got `str`", "without quotation marks"),
        ({"train": {"steps": -5}}, "train] steps: Expected `int` >= 0", ""),
        ({"train": {"precision": ["a"]}}, "train] precision: Expected `str`", "one of: bf16, fp16, fp32"),
        ({"train": {"precision": "bf61"}}, "train] precision: Invalid enum value 'bf61'", "did you mean 'bf16'?"),
        ({"train": {"gradient_accumulation": 0}}, "train] gradient_accumulation: Expected `int` >= 1", ""),
        ({"objective": {"name": 3}}, "objective] name: ", "one of: epsilon, v_prediction"),
        ({"objective": {"name": "velocity"}}, "objective] name: Invalid enum value", "one of: epsilon, v_prediction"),
        ({"optimizer": {"name": "prodigy"}}, "optimizer] name: Invalid enum value 'prodigy'", "adamw8bit, adafactor"),
        ({"optimizer": {"learning_rate": 0}}, "optimizer] learning_rate: Expected `float` > 0", ""),
        ({"sample": {"prompts": "1girl"}}, "sample] prompts: Expected `array`, got `str`", "a list: prompts = [...]"),
        ({"sample": {"prompts": [1]}}, "sample] prompts: Expected `str`, got `int`", ""),
        ({"sample": {"prompts": 7}}, "sample] prompts: Expected `array`, got `int`", ""),
    ],
)
def test_what_bake_says_wrongly_is_refused_by_name(bake: dict[str, Any], where: str, hint: str) -> None:
    with pytest.raises(ConfigError) as caught:
        recipe("sdxl-lora", bake=bake)
    assert caught.value.message.startswith(f"dsk.toml [bake.{where}")
    assert hint in caught.value.hint


def test_no_epochs_are_as_many_as_bake_takes_then() -> None:
    assert recipe("sdxl-lora", bake={"train": {"epochs": 0}}).epochs == 10


@pytest.mark.parametrize(
    ("name", "vram_gb", "hint"),
    [
        ("sdxl-lora", 6, "into 6 GB fits a LoRA of SD 1.5"),
        ("sdxl-finetune", 12, "into 12 GB fits a LoRA of SDXL or a LoRA of SD 1.5 or a finetune of SD 1.5"),
        ("sd15-lora", 3, "the smallest, sd15-lora, needs 4 GB"),
    ],
)
def test_the_way_out_of_a_small_gpu_is_one_that_fits(name: str, vram_gb: int, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipe(name, vram_gb=vram_gb)
    assert caught.value.hint == hint


def test_the_defaults_are_those_of_our_own_trainer() -> None:
    bake, ours = Config(), recipe("sdxl-lora")
    assert (ours.rank, ours.alpha) == (bake.adapter.rank, bake.adapter.alpha)
    # What the config leaves to the optimizer.
    assert (bake.optimizer.name, bake.optimizer.learning_rate) == ("auto", 0.0)
    assert (ours.optimizer, ours.learning_rate) == ("adamw", rate("auto"))
    assert (ours.weight_decay, ours.max_grad_norm) == (bake.optimizer.weight_decay, bake.optimizer.max_grad_norm)
    assert (ours.seed, ours.gradient_accumulation) == (bake.train.seed, bake.train.gradient_accumulation)
