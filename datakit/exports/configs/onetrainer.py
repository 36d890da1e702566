"""A training config of OneTrainer, and the prompts that it draws samples of.

Source: Nerogar/OneTrainer modules/util/config/TrainConfig.py (keys, version), SampleConfig.py, modules/util/enum/*
(words), modules/util/create.py (warmup, optimizers), modules/trainer/GenericTrainer.py; training_presets/ (data types).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

from datakit.exports.configs.json_text import ascii_json
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

CONCEPTS_NAME: Final = "concepts.json"
CONFIG_NAME: Final = "onetrainer.json"
SAMPLES_NAME: Final = "samples.json"
_VERSION: Final = 11
"""Of TrainConfig: what is of another one, OneTrainer changes as it reads."""
_TOKENS: Final = 75
_MODELS: Final = {"sd15": "STABLE_DIFFUSION_15", "sdxl": "STABLE_DIFFUSION_XL_10_BASE"}
_TYPES: Final = {"bf16": "BFLOAT_16", "fp16": "FLOAT_16", "fp32": "FLOAT_32"}
_OPTIMIZERS: Final[dict[str, dict[str, Any]]] = {
    "adamw": {"optimizer": "ADAMW", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8},
    "adamw8bit": {"optimizer": "ADAMW_8BIT", "beta1": 0.9, "beta2": 0.999, "eps": 1e-8, "block_wise": True},
    "adafactor": {"optimizer": "ADAFACTOR", "scale_parameter": False, "relative_step": False, "warmup_init": False},
}


def configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    """The config, which names concepts.json, and the samples."""
    config = {
        "__version": _VERSION,
        **_files(material, recipe),
        **_model(recipe),
        **_data(material, recipe),
        **_training(material, recipe),
        **_parts(recipe),
        **(_lora(recipe) if recipe.method == "lora" else {}),
    }
    samples = [_sample(prompt, recipe) for prompt in recipe.prompts]
    return {CONFIG_NAME: ascii_json(config), SAMPLES_NAME: ascii_json(samples)}


def recipe_warnings(recipe: Recipe) -> Iterator[str]:
    """What of a recipe OneTrainer has no setting for."""
    if recipe.max_tokens > _TOKENS:
        yield f"OneTrainer trains the first {_TOKENS} tokens of a caption: the recipe has {recipe.max_tokens}"
    if recipe.seed:
        yield f"OneTrainer has no seed for training: the recipe has {recipe.seed}"
    if recipe.architecture == "sdxl" and recipe.clip_skip > 1:
        yield f"OneTrainer is left at the layer that SDXL was trained with: clip_skip {recipe.clip_skip} is not written"


def resolution(material: Material) -> str:
    """A side of a square, of whose area buckets are; or the one size that there is, `<width>x<height>`."""
    width, height = material.recipe.resolution_px if material.recipe else material.common.sides_px
    return str(round(math.sqrt(width * height))) if material.common.enable_bucket else f"{width}x{height}"


def _files(material: Material, recipe: Recipe) -> dict[str, Any]:
    """Where things lie; what is worked out goes below OneTrainer's own folder, and not into the export."""
    return {
        "concept_file_name": material.place(CONCEPTS_NAME),
        "sample_definition_file_name": material.place(SAMPLES_NAME),
        "workspace_dir": f"workspace/{recipe.output_name}",
        "cache_dir": f"workspace-cache/{recipe.output_name}",
        "output_model_destination": f"models/{recipe.output_name}.safetensors",
        "output_model_format": "KOHYA_LORA" if recipe.method == "lora" else "ORIGINAL_SINGLE_FILE",
        "output_dtype": _TYPES[recipe.precision],
    }


def _model(recipe: Recipe) -> dict[str, Any]:
    is_v = recipe.prediction == "v_prediction"
    return {
        "training_method": "LORA" if recipe.method == "lora" else "FINE_TUNE",
        "model_type": _MODELS[recipe.architecture],
        "base_model_name": recipe.base,
        "force_v_prediction": is_v,
        "force_epsilon_prediction": not is_v,
        "rescale_noise_scheduler_to_zero_terminal_snr": recipe.zero_terminal_snr,
    }


def _data(material: Material, recipe: Recipe) -> dict[str, Any]:
    has_masks = any(item.mask for subset in material.subsets for item in subset.items)
    return {
        "aspect_ratio_bucketing": True,
        "resolution": resolution(material),
        "batch_size": recipe.batch_size,
        "latent_caching": recipe.cache_latents,
        "clear_cache_before_training": True,
        "validation": any(subset.is_validation for subset in material.subsets),
        "validate_after": 1,
        "validate_after_unit": "EPOCH",
        "masked_training": has_masks,
        **({"unmasked_probability": 0.0, "unmasked_weight": 0.0} if has_masks else {}),
    }


def _training(material: Material, recipe: Recipe) -> dict[str, Any]:
    has_samples = bool(recipe.prompts)
    return {
        "epochs": _epochs(material, recipe),
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "learning_rate": recipe.learning_rate,
        "learning_rate_scheduler": recipe.scheduler.upper(),
        "learning_rate_warmup_steps": _warmup(recipe),
        "optimizer": {**_OPTIMIZERS[recipe.optimizer], "weight_decay": recipe.weight_decay},
        "clip_grad_norm": recipe.max_grad_norm or None,
        "train_dtype": _TYPES[recipe.precision],
        **_loss(recipe),
        "sample_after": 1,
        "sample_after_unit": "EPOCH" if has_samples else "NEVER",
        "save_every": recipe.save_every_epochs,
        "save_every_unit": "EPOCH" if recipe.save_every_epochs else "NEVER",
        "save_filename_prefix": recipe.output_name,
    }


def _loss(recipe: Recipe) -> dict[str, Any]:
    if not recipe.min_snr_gamma:
        return {"loss_weight_fn": "CONSTANT"}
    return {"loss_weight_fn": "MIN_SNR_GAMMA", "loss_weight_strength": recipe.min_snr_gamma}


def _warmup(recipe: Recipe) -> float:
    """In batches, which OneTrainer divides by the accumulation; 1 and less would be a share of all steps."""
    batches = recipe.warmup_steps * recipe.gradient_accumulation
    return float(batches if batches > 1 else 0)


def _epochs(material: Material, recipe: Recipe) -> int:
    """OneTrainer knows epochs alone."""
    if not recipe.steps:
        return recipe.epochs
    shown = sum(len(subset.items) * subset.repeats for subset in material.subsets if not subset.is_validation)
    return max(1, math.ceil(recipe.steps * recipe.batch_size * recipe.gradient_accumulation / max(1, shown)))


def _parts(recipe: Recipe) -> dict[str, Any]:
    """Networks: weights are kept as they are trained, but the VAE's, which fp16 breaks."""
    shared = {"weight_dtype": _TYPES[recipe.precision], "gradient_checkpointing": recipe.gradient_checkpointing}
    rate = recipe.text_encoder_learning_rate
    text = {**shared, "train": rate > 0, "learning_rate": rate or None, "stop_training_after_unit": "NEVER"}
    return {
        "unet": {**shared, "train": True, "stop_training_after_unit": "NEVER"},
        "text_encoder": text,
        "vae": {"weight_dtype": "FLOAT_32"},
        **(
            {"text_encoder_2": text}
            if recipe.architecture == "sdxl"
            else {"text_encoder_layer_skip": max(0, recipe.clip_skip - 1)}
        ),
    }


def _lora(recipe: Recipe) -> dict[str, Any]:
    return {
        "peft_type": "LORA",
        "lora_rank": recipe.rank,
        "lora_alpha": float(recipe.alpha),
        "lora_weight_dtype": "FLOAT_32",
        "layer_filter": "attentions",
        "layer_filter_preset": "attn-mlp",
    }


def _sample(prompt: str, recipe: Recipe) -> dict[str, Any]:
    width, height = recipe.resolution_px
    return {
        "enabled": True,
        "prompt": prompt,
        "negative_prompt": recipe.negative,
        "width": width,
        "height": height,
        "seed": recipe.seed,
        "random_seed": False,
        "diffusion_steps": 28,
        "cfg_scale": 5.0,
        "noise_scheduler": "EULER_A",
    }
