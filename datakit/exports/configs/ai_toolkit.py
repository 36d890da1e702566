"""`config.yaml`: a job of ai-toolkit.

Source: ostris/ai-toolkit config/examples/*.yaml, toolkit/config_modules.py (TrainConfig, ModelConfig, NetworkConfig,
SaveConfig, SampleConfig), toolkit/scheduler.py, toolkit/optimizer.py, jobs/process/BaseTrainProcess.py
(training_seed), jobs/process/BaseSDTrainProcess.py (regularization on every second step, v-prediction).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from datakit.exports.configs.lengths import updates_per_epoch
from datakit.exports.configs.yaml_text import yaml_text
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe

_ARCHITECTURES: Final = {"sd15": "sd1", "sdxl": "sdxl"}
_SAVED: Final = {"bf16": "bf16", "fp16": "fp16", "fp32": "float32"}
_TOKENS: Final = 75
_KEPT_SAVES: Final = 100


def job(material: Material, recipe: Recipe, sections: Mapping[str, Any]) -> bytes:
    """A job; `sections` is what the format tells about the data."""
    length = _length(material, recipe)
    process: dict[str, Any] = {
        "type": "sd_trainer",
        "training_folder": "output",
        "device": "cuda:0",
        "training_seed": recipe.seed,
        **_network(recipe),
        "save": {
            "dtype": _SAVED[recipe.precision],
            "save_every": max(1, recipe.save_every_epochs * length.epoch),
            "max_step_saves_to_keep": _KEPT_SAVES,
        },
        "datasets": [{**one, "cache_latents_to_disk": recipe.cache_latents} for one in sections["datasets"]],
        "train": _train(recipe, length.total) | dict(sections.get("train", {})),
        "model": {
            "name_or_path": recipe.base,
            "arch": _ARCHITECTURES[recipe.architecture],
            "is_v_pred": recipe.prediction == "v_prediction",
            "dtype": recipe.precision,
        },
        "sample": _sample(recipe, length.epoch),
    }
    tree = {"job": "extension", "config": {"name": recipe.output_name, "process": [process]}}
    return yaml_text(_notes(material, recipe), tree)


class _Length(NamedTuple):
    """Steps, as the trainer counts them."""

    epoch: int
    total: int


def _length(material: Material, recipe: Recipe) -> _Length:
    trained = [one for one in material.subsets if not one.is_validation and not one.is_reg]
    examples = sum(len(one.items) * one.repeats for one in trained) * (2 if material.common.flip_aug else 1)
    # Every second step is one of regularization images; steps that are asked for are what the optimizer makes.
    share = 2 if any(one.is_reg for one in material.subsets) else 1
    epoch = share * updates_per_epoch(examples, recipe)
    return _Length(epoch, recipe.steps or recipe.epochs * epoch)


def _network(recipe: Recipe) -> dict[str, Any]:
    if recipe.method == "finetune":
        return {}
    return {"network": {"type": "lora", "linear": recipe.rank, "linear_alpha": recipe.alpha}}


def _train(recipe: Recipe, steps: int) -> dict[str, Any]:
    trains_text = recipe.text_encoder_learning_rate > 0
    return {
        "batch_size": recipe.batch_size,
        "steps": steps,
        "gradient_accumulation": recipe.gradient_accumulation,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        "train_unet": True,
        "train_text_encoder": trains_text,
        **({"text_encoder_lr": recipe.text_encoder_learning_rate} if trains_text else {}),
        "lr": recipe.learning_rate,
        "optimizer": recipe.optimizer,
        "optimizer_params": {"weight_decay": recipe.weight_decay},
        "max_grad_norm": recipe.max_grad_norm,
        **_scheduler(recipe),
        "noise_scheduler": "ddpm",
        "dtype": recipe.precision,
        "cache_text_embeddings": recipe.cache_text,
        **({"min_snr_gamma": recipe.min_snr_gamma} if recipe.min_snr_gamma else {}),
        **({} if recipe.prompts else {"disable_sampling": True}),
    }


def _scheduler(recipe: Recipe) -> dict[str, Any]:
    if recipe.scheduler == "constant" and recipe.warmup_steps:
        return {
            "lr_scheduler": "constant_with_warmup",
            "lr_scheduler_params": {"num_warmup_steps": recipe.warmup_steps},
        }
    if recipe.scheduler == "linear":
        # torch's own defaults rise from a third to the whole.
        return {"lr_scheduler": "linear", "lr_scheduler_params": {"start_factor": 1.0, "end_factor": 0.0}}
    return {"lr_scheduler": recipe.scheduler}


def _sample(recipe: Recipe, every: int) -> dict[str, Any]:
    return {
        "sampler": "ddpm",
        "sample_every": every,
        "width": recipe.resolution_px[0],
        "height": recipe.resolution_px[1],
        "prompts": list(recipe.prompts),
        "neg": recipe.negative,
        "seed": recipe.seed,
    }


def _notes(material: Material, recipe: Recipe) -> Iterator[str]:
    """Comments at the head of the file."""
    yield "Written by dsk export. Start it by: python run.py config.yaml"
    if not material.folder:
        yield "Paths are relative: ai-toolkit takes them from the folder that it is started in."
    yield from recipe.advice
    yield from recipe_warnings(recipe)


def recipe_warnings(recipe: Recipe) -> Iterator[str]:
    """What of a recipe ai-toolkit has no setting for."""
    if recipe.zero_terminal_snr:
        yield "ai-toolkit has no setting for zero terminal SNR, as the recipe has it"
    if recipe.warmup_steps and recipe.scheduler != "constant":
        yield f"ai-toolkit warms up a constant rate only: the recipe's {recipe.warmup_steps} steps are left out"
    if recipe.max_tokens > _TOKENS:
        yield f"ai-toolkit trains the first {_TOKENS} tokens of a caption: the recipe has {recipe.max_tokens}"
    if recipe.clip_skip > 1:
        yield f"ai-toolkit has no setting for clip_skip {recipe.clip_skip}"
