"""A training config of SimpleTuner, with the prompts that it draws samples of; and the buckets that it sorts into.

Source: bghira/SimpleTuner simpletuner/simpletuner_sdk/server/services/field_registry/sections/*.py (options and their
types), simpletuner/helpers/configuration/{cmd_args,json_file}.py, simpletuner/helpers/training/optimizer_param.py
(optimizers), simpletuner/helpers/multiaspect/image.py and metadata/backends/base.py (buckets).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from datakit.exports.configs.json_text import ascii_json
from datakit.exports.model import Material, Subset
from datakit.exports.recipes.model import Recipe

BACKENDS_NAME: Final = "multidatabackend.json"
CONFIG_NAME: Final = "config.json"
PROMPTS_NAME: Final = "user_prompt_library.json"
_ALIGNMENT_PX: Final = 64
"""Of bucket sides; SDXL and SD 1.5 know no other."""
_TOKENS: Final = 75
_LEAST_RATE: Final = 1e-6
_FAMILIES: Final = {"sd15": "sd1x", "sdxl": "sdxl"}
_OPTIMIZERS: Final = {"adamw8bit": "bnb-adamw8bit", "adafactor": "torch-adafactor"}
_MIXED: Final = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}


def configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    """The config, which names multidatabackend.json, and the prompts where there are some."""
    config = {
        **_model(recipe),
        **_data(material, recipe),
        **_training(recipe),
        **_evaluation(material),
        **_samples(material, recipe),
    }
    prompts = {f"prompt_{number}": prompt for number, prompt in enumerate(recipe.prompts, start=1)}
    return {CONFIG_NAME: ascii_json(config), **({PROMPTS_NAME: ascii_json(prompts)} if prompts else {})}


def recipe_warnings(recipe: Recipe) -> Iterator[str]:
    """What of a recipe SimpleTuner has no option for."""
    if recipe.max_tokens > _TOKENS:
        yield f"SimpleTuner trains the first {_TOKENS} tokens of a caption: the recipe has {recipe.max_tokens}"
    if recipe.text_encoder_learning_rate:
        yield "SimpleTuner trains no text encoders, whose outputs it caches: text_encoder_learning_rate is left out"
    if recipe.clip_skip > 1:
        yield f"SimpleTuner has no option for clip_skip {recipe.clip_skip}"
    if recipe.min_snr_gamma % 1:
        yield f"SimpleTuner takes whole numbers for snr_gamma: {recipe.min_snr_gamma} is {_gamma(recipe)}"


def sides_px(material: Material) -> tuple[int, int]:
    """(width, height) to train at."""
    return material.recipe.resolution_px if material.recipe else material.common.sides_px


def edge_px(material: Material) -> int:
    """Side of the square that buckets have the area of."""
    width, height = sides_px(material)
    return round(math.sqrt(width * height))


def aspect(size_px: tuple[int, int]) -> float:
    """Width by height as SimpleTuner rounds it."""
    return round(size_px[0] / size_px[1], 2)


def bucket_px(aspect_ratio: float, edge: int) -> tuple[int, int]:
    """(width, height) that images of an aspect ratio are made, before they are sorted by their new one.

    Extreme ratios round to 0, so each side is at least one step.
    """
    square = _aligned(edge)
    root = math.sqrt(max(aspect_ratio, 0.01))
    return _aligned(square * root), _aligned(square / root)


def buckets(subset: Subset, material: Material) -> dict[float, int]:
    """Aspect ratio of a bucket → how many images of the subset fall into it."""
    edge = edge_px(material)
    if not material.common.enable_bucket:
        width, height = sides_px(material)
        return {aspect(bucket_px(aspect((width, height)), edge)): len(subset.items)}
    return dict(Counter(aspect(bucket_px(aspect(item.size_px), edge)) for item in subset.items))


def _aligned(side: float) -> int:
    return max(_ALIGNMENT_PX, round(side / _ALIGNMENT_PX) * _ALIGNMENT_PX)


def _model(recipe: Recipe) -> dict[str, Any]:
    is_v = recipe.prediction == "v_prediction"
    lora = {"lora_type": "standard", "lora_rank": recipe.rank, "lora_alpha": float(recipe.alpha)}
    return {
        "model_family": _FAMILIES[recipe.architecture],
        "model_type": "lora" if recipe.method == "lora" else "full",
        "pretrained_model_name_or_path": recipe.base,
        "output_dir": f"output/{recipe.output_name}",
        **({"prediction_type": "v_prediction"} if is_v else {"prediction_type": "epsilon"}),
        "rescale_betas_zero_snr": recipe.zero_terminal_snr,
        **({"training_scheduler_timestep_spacing": "trailing"} if recipe.zero_terminal_snr else {}),
        **(lora if recipe.method == "lora" else {}),
    }


def _data(material: Material, recipe: Recipe) -> dict[str, Any]:
    return {
        "data_backend_config": material.place(BACKENDS_NAME),
        "resolution": edge_px(material),
        "resolution_type": "pixel_area",
        "aspect_bucket_rounding": 2,
        "aspect_bucket_alignment": _ALIGNMENT_PX,
        "minimum_image_size": 0,
        "caption_dropout_probability": _dropout(material),
        "train_batch_size": recipe.batch_size,
        "allow_dataset_oversubscription": True,
    }


def _dropout(material: Material) -> float:
    """Where an image has no caption it is not quite 0: at 0 nothing encodes the empty prompt, and training stops."""
    bare = any(not item.caption and not subset.class_tokens for subset in material.subsets for item in subset.items)
    rate = float(material.common.caption_dropout_rate)
    return max(rate, _LEAST_RATE) if bare else rate


def _training(recipe: Recipe) -> dict[str, Any]:
    is_fp32 = recipe.precision == "fp32"
    adamw = "adamw_bf16" if recipe.precision == "bf16" else "torch-adamw"
    return {
        "num_train_epochs": 0 if recipe.steps else recipe.epochs,
        "max_train_steps": recipe.steps,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler": recipe.scheduler,
        "lr_warmup_steps": recipe.warmup_steps,
        "optimizer": _OPTIMIZERS.get(recipe.optimizer, adamw),
        "optimizer_config": f"weight_decay={recipe.weight_decay}",
        "max_grad_norm": recipe.max_grad_norm,
        "grad_clip_method": "norm",
        "mixed_precision": _MIXED[recipe.precision],
        "base_model_default_dtype": "fp32" if is_fp32 else "bf16",
        **({"snr_gamma": _gamma(recipe)} if recipe.min_snr_gamma else {}),
        "vae_cache_ondemand": not recipe.cache_latents,
        "seed": recipe.seed,
        "checkpoint_step_interval": 0,
        "checkpoint_epoch_interval": recipe.save_every_epochs,
    }


def _gamma(recipe: Recipe) -> int:
    return max(1, round(recipe.min_snr_gamma))


def _evaluation(material: Material) -> dict[str, Any]:
    held = sum(len(subset.items) for subset in material.subsets if subset.is_validation)
    return {"eval_epoch_interval": 1.0, "num_eval_images": held} if held else {}


def _samples(material: Material, recipe: Recipe) -> dict[str, Any]:
    if not recipe.prompts:
        return {"validation_disable": True}
    width, height = recipe.resolution_px
    return {
        "validation_prompt": recipe.prompts[0],
        "user_prompt_library": material.place(PROMPTS_NAME),
        "validation_negative_prompt": recipe.negative,
        "validation_resolution": f"{width}x{height}",
        "validation_seed": recipe.seed,
        "validation_guidance": 5.0,
        "validation_num_inference_steps": 28,
        "validation_step_interval": _steps_of_epoch(material, recipe),
    }


def _steps_of_epoch(material: Material, recipe: Recipe) -> int:
    shown = sum(len(subset.items) * subset.repeats for subset in material.subsets if not subset.is_validation)
    return max(1, math.ceil(shown / (recipe.batch_size * recipe.gradient_accumulation)))
