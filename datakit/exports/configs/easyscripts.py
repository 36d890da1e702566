"""The arguments of LoRA Easy Training Scripts, by the tab of the program that they stand in.

Source: 67372a/LoRA_Easy_Training_Scripts and derrian-distro's main_ui_files/ (GeneralUI.py, NetworkUI.py,
OptimizerUI.py, SavingUI.py, SampleUI.py: load_args), ui_files/ (choices); the backend's utils/validation.py.
"""

from __future__ import annotations

import math
from typing import Any, Final

from datakit.errors import UsageError
from datakit.exports.configs.sdscripts import (
    PRECISIONS,
    PROMPTS,
    SAMPLER,
    SAVED,
    max_token_length,
    optimizer_args,
    optimizer_type,
    output_dir,
    scheduler,
)
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

_TABS: Final = ("general_args", "network_args", "optimizer_args", "saving_args", "bucket_args", "sample_args")
_OPTIMIZERS: Final = {"Adafactor": "AdaFactor"}
"""Names that the program writes otherwise than sd-scripts."""


def empty_tables() -> dict[str, Any]:
    """Every tab, with nothing in it."""
    return {name: {"args": {}, "dataset_args": {}} for name in _TABS}


def arguments(material: Material, recipe: Recipe) -> dict[str, dict[str, Any]]:
    """Tab → its arguments.

    Raises:
        UsageError: a recipe that is no LoRA's.
    """
    if recipe.method != "lora":
        raise UsageError(
            f"LoRA Easy Training Scripts trains no {recipe.name}: it makes LoRAs alone",
            hint=f"--with-config {recipe.name.rpartition('-')[0]}-lora, or --format kohya",
        )
    return {
        "general_args": _general(recipe),
        "network_args": _network(recipe),
        "optimizer_args": _optimizer(material, recipe),
        "saving_args": {
            "output_dir": material.place(output_dir(material, "easy-scripts")),
            "output_name": recipe.output_name,
            "save_precision": SAVED[recipe.precision],
            "save_model_as": "safetensors",
            **({"save_every_n_epochs": recipe.save_every_epochs} if recipe.save_every_epochs else {}),
        },
        "sample_args": _samples(material, recipe),
    }


def _general(recipe: Recipe) -> dict[str, Any]:
    is_sdxl = recipe.architecture == "sdxl"
    return {
        "pretrained_model_name_or_path": recipe.base,
        **({"sdxl": True, "no_half_vae": True} if is_sdxl else {"clip_skip": recipe.clip_skip}),
        **({"v_parameterization": True} if recipe.prediction == "v_prediction" else {}),
        "mixed_precision": PRECISIONS[recipe.precision],
        **({"gradient_checkpointing": True} if recipe.gradient_checkpointing else {}),
        **({"gradient_accumulation_steps": recipe.gradient_accumulation} if recipe.gradient_accumulation > 1 else {}),
        **({"max_train_steps": recipe.steps} if recipe.steps else {"max_train_epochs": recipe.epochs}),
        "seed": recipe.seed,
        "max_token_length": max_token_length(recipe),
        "sdpa": True,
        **({"cache_latents": True} if recipe.cache_latents else {}),
    }


def _network(recipe: Recipe) -> dict[str, Any]:
    is_unet_alone = not recipe.text_encoder_learning_rate
    is_cached = recipe.cache_text and is_unet_alone and recipe.architecture == "sdxl"
    return {
        "network_dim": recipe.rank,
        "network_alpha": recipe.alpha,
        **({"network_train_unet_only": True} if is_unet_alone else {}),
        **({"cache_text_encoder_outputs": True} if is_cached else {}),
    }


def _optimizer(material: Material, recipe: Recipe) -> dict[str, Any]:
    name = optimizer_type(recipe)
    rate = recipe.text_encoder_learning_rate
    return {
        "optimizer_type": _OPTIMIZERS.get(name, name),
        "optimizer_args": optimizer_args(recipe),
        "lr_scheduler": scheduler(recipe),
        "learning_rate": recipe.learning_rate,
        "loss_type": "l2",
        "max_grad_norm": recipe.max_grad_norm,
        **({"text_encoder_lr": rate} if rate else {}),
        **({"warmup_ratio": _warmup(material, recipe)} if recipe.warmup_steps else {}),
        **({"min_snr_gamma": int(recipe.min_snr_gamma)} if recipe.min_snr_gamma else {}),
        **({"zero_terminal_snr": True} if recipe.zero_terminal_snr else {}),
    }


def _warmup(material: Material, recipe: Recipe) -> float:
    """Which part of all steps it is: the program knows no number of steps."""
    shown = sum(one.repeats * len(one.items) for one in material.subsets if not one.is_validation)
    each = recipe.batch_size * recipe.gradient_accumulation
    steps = recipe.steps or math.ceil(shown / each) * recipe.epochs
    return min(1.0, round(recipe.warmup_steps / max(steps, 1), 2))


def _samples(material: Material, recipe: Recipe) -> dict[str, Any]:
    if not recipe.prompts:
        return {}
    return {"sample_sampler": SAMPLER, "sample_every_n_epochs": 1, "sample_prompts": material.place(PROMPTS)}
