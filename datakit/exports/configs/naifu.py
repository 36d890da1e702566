"""`config.yaml`: a whole config of naifu.

Source: Mikubill/naifu config/train_sdxl.yaml, config/train_lycoris.yaml, config/train_sd15.yaml, trainer.py,
common/trainer.py (epochs, clipping, schedulers), modules/train_lycoris.py, modules/train_sdxl.py,
modules/train_sd_diffusers.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from datakit.errors import UsageError
from datakit.exports.configs.lengths import epochs_of, updates_per_epoch
from datakit.exports.configs.yaml_text import yaml_text
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

_TARGETS: Final = {
    ("sdxl", "lora"): "modules.train_lycoris.setup",
    ("sdxl", "finetune"): "modules.train_sdxl.setup",
    ("sd15", "finetune"): "modules.train_sd_diffusers.setup",
}
_PRECISIONS: Final = {"bf16": "bf16-mixed", "fp16": "16-mixed", "fp32": "32-true"}
_OPTIMIZERS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "adamw": ("torch.optim.AdamW", {}),
    "adamw8bit": ("bitsandbytes.optim.AdamW8bit", {}),
    "adafactor": (
        "transformers.optimization.Adafactor",
        {"scale_parameter": False, "relative_step": False, "warmup_init": False},
    ),
}
_TOKENS: Final = (75, 150, 225)
_FILES: Final = (".safetensors", ".ckpt")


def config(material: Material, recipe: Recipe, sections: Mapping[str, Any]) -> bytes:
    """A config; `sections` is what the format tells about the data.

    Raises:
        UsageError: naifu does not train such a thing.
    """
    kind = (recipe.architecture, recipe.method)
    if kind not in _TARGETS:
        raise UsageError(
            f"naifu trains no LoRA of SD 1.5, as {recipe.name} asks",
            hint="--with-config sd15-finetune, or a LoRA of SDXL",
        )
    examples = sum(len(one.items) * one.repeats for one in material.subsets if not one.is_validation)
    advanced = _advanced(recipe) | sections.get("advanced", {})
    tree = {
        "name": recipe.output_name,
        "target": _TARGETS[kind],
        "trainer": _trainer(recipe, examples) | sections["trainer"],
        **({"lycoris": _lycoris(recipe)} if recipe.method == "lora" else {}),
        "advanced": advanced,
        "lightning": {"accelerator": "gpu", "devices": 1, "precision": _PRECISIONS[recipe.precision]},
        "dataset": {**sections["dataset"], "max_token_length": _max_tokens(recipe)},
        "optimizer": _optimizer(recipe),
        "scheduler": _scheduler(recipe, examples),
        "sampling": _sampling(recipe),
    }
    return yaml_text(_notes(material, recipe, examples), tree)


def _trainer(recipe: Recipe, num_examples: int) -> dict[str, Any]:
    is_sd15 = recipe.architecture == "sd15"
    return {
        "model_path": recipe.base if is_sd15 else _file(recipe.base),
        "seed": recipe.seed,
        "wandb_id": "",
        "use_xformers": False,
        "accumulate_grad_batches": recipe.gradient_accumulation,
        "gradient_clip_val": recipe.max_grad_norm,
        **({"clip_skip": recipe.clip_skip} if is_sd15 else {}),
        "save_format": "safetensors",
        "checkpoint_dir": f"output/{recipe.output_name}",
        "checkpoint_freq": recipe.save_every_epochs,
        "checkpoint_steps": -1,
        "save_weights_only": True,
        "max_epochs": epochs_of(num_examples, recipe),
        "max_steps": -1,
    }


def _file(base: str) -> str:
    """What naifu reads of SDXL is one file."""
    return base if base.endswith(_FILES) else f"{base.rpartition('/')[2]}.safetensors"


def _lycoris(recipe: Recipe) -> dict[str, Any]:
    return {"linear_dim": recipe.rank, "linear_alpha": recipe.alpha, "algo": "lora", "multiplier": 1.0}


def _advanced(recipe: Recipe) -> dict[str, Any]:
    rate = recipe.text_encoder_learning_rate
    numbers = ("",) if recipe.architecture == "sd15" else ("_1", "_2")
    encoders = {f"train_text_encoder{number}": rate > 0 for number in numbers}
    rates = {f"text_encoder{number}_lr": rate for number in numbers} if rate else {}
    return {
        "vae_encode_batch_size": -1,
        **encoders,
        **rates,
        "offset_noise": False,
        "min_snr": recipe.min_snr_gamma > 0,
        "min_snr_val": recipe.min_snr_gamma,
        "timestep_start": 0,
        "timestep_end": 1000,
        "v_parameterization": recipe.prediction == "v_prediction",
        "zero_terminal_snr": recipe.zero_terminal_snr,
        **({"use_checkpoint": recipe.gradient_checkpointing} if recipe.architecture == "sdxl" else {}),
    }


def _max_tokens(recipe: Recipe) -> int:
    return next((tokens for tokens in _TOKENS if tokens >= recipe.max_tokens), _TOKENS[-1])


def _optimizer(recipe: Recipe) -> dict[str, Any]:
    name, params = _OPTIMIZERS[recipe.optimizer] if recipe.optimizer in _OPTIMIZERS else _OPTIMIZERS["adamw"]
    return {"name": name, "params": {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, **params}}


def _scheduler(recipe: Recipe, num_examples: int) -> dict[str, Any]:
    params: dict[str, Any] = {"num_warmup_steps": recipe.warmup_steps}
    if recipe.scheduler != "constant":
        params["num_training_steps"] = epochs_of(num_examples, recipe) * updates_per_epoch(num_examples, recipe)
    return {"name": f"transformers.get_{recipe.scheduler}_schedule_with_warmup", "params": params}


def _sampling(recipe: Recipe) -> dict[str, Any]:
    return {
        "enabled": bool(recipe.prompts),
        "use_wandb": False,
        "seed": recipe.seed,
        "height": recipe.resolution_px[1],
        "width": recipe.resolution_px[0],
        "every_n_steps": -1,
        "every_n_epochs": recipe.save_every_epochs,
        "save_dir": f"output/{recipe.output_name}/samples",
        "prompts": list(recipe.prompts),
    }


def _notes(material: Material, recipe: Recipe, num_examples: int) -> Iterator[str]:
    """Comments at the head of the file."""
    yield "Written by dsk export. Start it by: python trainer.py --config config.yaml"
    if not material.folder:
        yield "Paths are relative: naifu takes them from the folder that it is started in."
    yield from recipe.advice
    if recipe.steps:
        yield f"{recipe.steps} steps: naifu counts epochs only, {epochs_of(num_examples, recipe)} of them."
    if recipe.cache_latents or recipe.cache_text:
        yield "caches: latents are computed before by scripts/encode_latents_xl.py, text never."
    yield from recipe_warnings(material, recipe)


def recipe_warnings(material: Material, recipe: Recipe) -> Iterator[str]:
    """What of a recipe naifu has no setting for, and what a person must see to."""
    is_sd15 = recipe.architecture == "sd15"
    if not is_sd15 and not recipe.base.endswith(_FILES):
        yield f"naifu reads SDXL from one file: put that of {recipe.base} to trainer.model_path in config.yaml"
    if recipe.optimizer not in _OPTIMIZERS:
        yield f"naifu is given AdamW in the place of {recipe.optimizer}"
    if not recipe.gradient_checkpointing and is_sd15:
        yield "naifu always has gradient checkpointing for SD 1.5"
    if material.common.caption_dropout_rate and is_sd15:
        yield "naifu has no caption dropout for SD 1.5"
    if recipe.negative:
        yield "naifu has no setting for the negative prompt of sample pictures"
