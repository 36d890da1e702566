"""`config.toml`: the main config of diffusion-pipe; and its buckets, which files of both kinds speak of.

Source: tdrussell/diffusion-pipe examples/main_example.toml, train.py (set_config_defaults, optimizers, schedulers,
uncond_fraction, eval_datasets), docs/supported_models.md (SDXL), models/sdxl.py (rates, v-prediction, min-SNR);
kohya-ss/sd-scripts library/model_util.py (make_bucket_resolutions).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from datakit.errors import UsageError
from datakit.exports.configs.lengths import epochs_of
from datakit.exports.expressing import some
from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Common

_ROUNDED_DIGITS: Final = 3
"""diffusion-pipe tells shapes apart by so many digits."""
_DTYPES: Final = {"bf16": "bfloat16", "fp16": "float16", "fp32": "float32"}
_FILES: Final = (".safetensors", ".ckpt")
_OPTIMIZERS: Final[dict[str, dict[str, Any]]] = {
    "adamw": {"type": "adamw_optimi", "betas": [0.9, 0.99], "eps": 1e-8},
    "adamw8bit": {"type": "AdamW8bitKahan", "betas": [0.9, 0.99], "stabilize": False},
    "adafactor": {"type": "AdaFactor", "scale_parameter": False, "relative_step": False, "warmup_init": False},
}
"""Those that add up rightly in 16 bits; the last one is pytorch_optimizer's."""
Size = tuple[int, int]


def size_buckets(common: Common) -> list[Size]:
    """The buckets of sd-scripts, (width, height), sorted by shape, no two of a shape that are told apart."""
    steps, area = common.bucket_reso_steps, math.prod(common.sides_px)
    if not common.enable_bucket:
        return [common.sides_px]
    shortest = max(steps, common.min_bucket_reso - common.min_bucket_reso % steps)
    longest = common.max_bucket_reso + -common.max_bucket_reso % steps
    square = math.isqrt(area) // steps * steps
    found = {(square, square)} if square else set()
    for width in range(shortest, longest + 1, steps):
        height = min(longest, area // width // steps * steps)
        if height >= shortest:
            found |= {(width, height), (height, width)}
    by_shape: dict[float, Size] = {}
    for size in sorted(found or {common.sides_px}, key=lambda one: (_shape(one), -math.prod(one))):
        by_shape.setdefault(_shape(size), size)
    return list(by_shape.values())


def _shape(size: Size) -> float:
    return round(size[0] / size[1], _ROUNDED_DIGITS)


def bucket_of(size_px: Size, buckets: Iterable[Size]) -> Size:
    """Whose shape is nearest, by the logarithm; the first of equals."""
    wanted = math.log(size_px[0] / size_px[1])
    return min(buckets, key=lambda one: abs(wanted - math.log(_shape(one))))


def bucket_shortage(material: Material, batch: int, *, times: int) -> Iterator[str]:
    """What never trains, since its bucket does not fill a batch.

    Args:
        batch: images of one optimizer update, on all GPUs.
        times: how often an epoch shows an image that is not repeated.
    """
    sizes = size_buckets(material.common)
    counts: defaultdict[Size, int] = defaultdict(int)
    keys: defaultdict[Size, list[str]] = defaultdict(list)
    for subset in material.subsets:
        for item in () if subset.is_validation else subset.items:
            bucket = bucket_of(item.size_px, sizes)
            counts[bucket] += subset.repeats * times
            keys[bucket].append(item.key)
    never = [key for bucket, found in keys.items() if counts[bucket] < batch for key in found]
    if never:
        yield f"diffusion-pipe leaves out buckets that do not fill a batch of {batch}: {some(sorted(never))}"
    spare = sum(count % batch for count in counts.values() if count >= batch)
    if spare:
        total = sum(counts.values())
        yield f"of {total:,} examples an epoch leaves out {spare:,}, always the same ones, to fill batches of {batch}"


def toml_text(notes: Iterable[str], tables: Mapping[str, Any]) -> bytes:
    """A TOML file; each note is a comment above its keys."""
    import tomlkit

    head = "".join(f"# {' '.join(note.split())}\n" for note in notes)
    return (head + tomlkit.dumps(tables)).encode("utf-8", "backslashreplace")


def main_config(material: Material, recipe: Recipe, *, times: int, eval_dataset: str) -> bytes:
    """The main config.

    Args:
        times: how often an epoch shows an image that is not repeated.
        eval_dataset: file of what is held back, in the export; '' for none.

    Raises:
        UsageError: diffusion-pipe does not train such a model.
    """
    if recipe.architecture != "sdxl":
        raise UsageError(f"diffusion-pipe trains no SD 1.5, as {recipe.name} asks", hint="--with-config sdxl-lora")
    trained = [subset for subset in material.subsets if not subset.is_validation]
    examples = times * sum(len(subset.items) * subset.repeats for subset in trained)
    tables: dict[str, Any] = {
        "output_dir": f"output/{recipe.output_name}",
        "dataset": material.place("dataset.toml"),
        **(_evaluation(material, eval_dataset) if eval_dataset else {}),
        **_training(recipe, examples, times=times),
        **_dropout(material.common),
        "model": _model(recipe),
        **({"adapter": _adapter(recipe)} if recipe.method == "lora" else {}),
        "optimizer": _optimizer(recipe),
    }
    return toml_text(_notes(material, recipe, times=times), tables)


def _evaluation(material: Material, eval_dataset: str) -> dict[str, Any]:
    return {
        "eval_datasets": [{"name": "validation", "config": material.place(eval_dataset)}],
        "eval_every_n_epochs": 1,
        "eval_before_first_step": True,
        # A batch of one leaves nothing out.
        "eval_micro_batch_size_per_gpu": 1,
        "eval_gradient_accumulation_steps": 1,
    }


def _training(recipe: Recipe, num_examples: int, *, times: int) -> dict[str, Any]:
    epochs = epochs_of(num_examples, recipe) if recipe.steps else math.ceil(recipe.epochs / times)
    return {
        "epochs": epochs,
        **({"max_steps": recipe.steps} if recipe.steps else {}),
        "micro_batch_size_per_gpu": recipe.batch_size,
        "pipeline_stages": 1,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "gradient_clipping": recipe.max_grad_norm,
        "warmup_steps": recipe.warmup_steps,
        "lr_scheduler": recipe.scheduler,
        "activation_checkpointing": recipe.gradient_checkpointing,
        "save_every_n_epochs": max(1, recipe.save_every_epochs // times),
        "save_dtype": _DTYPES[recipe.precision],
        "caching_batch_size": 1,
    }


def _dropout(common: Common) -> dict[str, Any]:
    return {"uncond_fraction": common.caption_dropout_rate} if common.caption_dropout_rate else {}


def _model(recipe: Recipe) -> dict[str, Any]:
    rate = recipe.text_encoder_learning_rate
    return {
        "type": "sdxl",
        "checkpoint_path": _file(recipe.base),
        "dtype": _DTYPES[recipe.precision],
        **({"v_pred": True} if recipe.prediction == "v_prediction" else {}),
        **({"min_snr_gamma": recipe.min_snr_gamma} if recipe.min_snr_gamma else {}),
        "unet_lr": recipe.learning_rate,
        # A rate of 0 leaves them as they are: diffusion-pipe always trains them.
        "text_encoder_1_lr": rate,
        "text_encoder_2_lr": rate,
    }


def _file(base: str) -> str:
    """diffusion-pipe reads SDXL from one file."""
    return base if base.endswith(_FILES) else f"{base.rpartition('/')[2]}.safetensors"


def _adapter(recipe: Recipe) -> dict[str, Any]:
    return {"type": "lora", "rank": recipe.rank, "dtype": _DTYPES[recipe.precision]}


def _optimizer(recipe: Recipe) -> dict[str, Any]:
    known = _OPTIMIZERS[recipe.optimizer] if recipe.optimizer in _OPTIMIZERS else _OPTIMIZERS["adamw"]
    return {**known, "lr": recipe.learning_rate, "weight_decay": recipe.weight_decay}


def _notes(material: Material, recipe: Recipe, *, times: int) -> Iterator[str]:
    """Comments at the head of the file."""
    yield "Written by dsk export. Start it by: deepspeed --num_gpus=1 train.py --deepspeed --config config.toml"
    if not material.folder:
        yield "Paths are relative: diffusion-pipe takes them from the folder that it is started in."
    yield from recipe.advice
    if times > 1:
        yield f"An epoch shows each image {times} times, with captions that differ."
    if recipe.cache_text:
        yield "cache_text: diffusion-pipe computes text anew for SDXL."
    yield from recipe_warnings(recipe)


def recipe_warnings(recipe: Recipe) -> Iterator[str]:
    """What of a recipe diffusion-pipe has no setting for, and what a person must see to."""
    if not recipe.base.endswith(_FILES):
        yield f"diffusion-pipe reads SDXL from one file: put that of {recipe.base} to checkpoint_path in config.toml"
    if recipe.method == "lora" and recipe.alpha != recipe.rank:
        yield f"diffusion-pipe takes a LoRA's rank, {recipe.rank}, for its alpha: the recipe has {recipe.alpha:g}"
    if recipe.prediction == "epsilon" and recipe.zero_terminal_snr:
        yield "diffusion-pipe has zero terminal SNR with v-prediction only"
    if recipe.prediction == "v_prediction" and not recipe.zero_terminal_snr:
        yield "diffusion-pipe always has zero terminal SNR with v-prediction: the recipe has it without"
    if recipe.optimizer not in _OPTIMIZERS:
        yield f"diffusion-pipe is given AdamW in the place of {recipe.optimizer}"
    if recipe.seed:
        yield f"diffusion-pipe has no seed: the recipe has {recipe.seed}"
    if recipe.prompts:
        yield "diffusion-pipe makes no sample pictures: the recipe's prompts are left out"
