"""The fields of kohya_ss that a recipe fills in, as its JSON config has them.

Source: bmaltais/kohya_ss kohya_gui/lora_gui.py and kohya_gui/dreambooth_gui.py (FIELD_REGISTRY, train_model),
test/config/*.json (types).
"""

from __future__ import annotations

from typing import Any

from datakit.exports.configs.sdscripts import (
    PRECISIONS,
    SAMPLER,
    SAVED,
    max_token_length,
    optimizer_args,
    optimizer_type,
    sample_prompts,
    scheduler,
)
from datakit.exports.recipes.model import Recipe


def arguments(recipe: Recipe) -> dict[str, Any]:
    """Fields of the tab LoRA, or Dreambooth for a finetune."""
    is_sdxl = recipe.architecture == "sdxl"
    options = [*(f"{key}={value}" for key, value in optimizer_args(recipe).items())]
    return {
        "pretrained_model_name_or_path": recipe.base,
        "model_list": "custom",
        "sdxl": is_sdxl,
        "v2": False,
        "v_parameterization": recipe.prediction == "v_prediction",
        "output_name": recipe.output_name,
        "save_model_as": "safetensors",
        "save_precision": SAVED[recipe.precision],
        "save_every_n_epochs": recipe.save_every_epochs,
        "mixed_precision": PRECISIONS[recipe.precision],
        "learning_rate": recipe.learning_rate,
        "lr_scheduler": scheduler(recipe),
        "lr_warmup": 0,
        "lr_warmup_steps": recipe.warmup_steps,
        "optimizer": optimizer_type(recipe),
        "optimizer_args": " ".join(options),
        "max_grad_norm": recipe.max_grad_norm,
        "epoch": recipe.epochs,
        "max_train_epochs": 0 if recipe.steps else recipe.epochs,
        "max_train_steps": recipe.steps,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "xformers": "sdpa",
        "seed": recipe.seed,
        "clip_skip": 0 if is_sdxl else recipe.clip_skip,
        "max_token_length": max_token_length(recipe),
        "min_snr_gamma": int(recipe.min_snr_gamma),
        "cache_latents": recipe.cache_latents,
        "sdxl_no_half_vae": is_sdxl,
        "sdxl_cache_text_encoder_outputs": is_sdxl and recipe.cache_text and not recipe.text_encoder_learning_rate,
        "sample_prompts": sample_prompts(recipe),
        "sample_every_n_epochs": 1 if recipe.prompts else 0,
        "sample_sampler": SAMPLER,
        "additional_parameters": "--zero_terminal_snr" if recipe.zero_terminal_snr else "",
        **(_network(recipe) if recipe.method == "lora" else _finetune(recipe)),
    }


def _network(recipe: Recipe) -> dict[str, Any]:
    """A rate of 0 leaves the text encoders alone, where the UNet has one of its own."""
    return {
        "LoRA_type": "Standard",
        "network_dim": recipe.rank,
        "network_alpha": recipe.alpha,
        "unet_lr": recipe.learning_rate,
        "text_encoder_lr": recipe.text_encoder_learning_rate,
    }


def _finetune(recipe: Recipe) -> dict[str, Any]:
    rate = recipe.text_encoder_learning_rate
    return {"learning_rate_te": rate, "learning_rate_te1": rate, "learning_rate_te2": rate}
