"""`train.sh`: diffusers' example scripts with the options of a recipe.

Source: huggingface/diffusers examples/text_to_image/train_text_to_image{,_lora}{,_sdxl}.py and
examples/advanced_diffusion_training/train_dreambooth_lora_{sd15,sdxl}_advanced.py (parse_args).
"""

from __future__ import annotations

import math
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Final

from datakit.exports.model import Material
from datakit.exports.recipes.model import Recipe
from datakit.exports.rows import split_of

_TEXT: Final = "examples/text_to_image"
_ADVANCED: Final = "examples/advanced_diffusion_training"
_SCRIPTS: Final = {
    ("sdxl", "lora"): f"{_TEXT}/train_text_to_image_lora_sdxl.py",
    ("sdxl", "finetune"): f"{_TEXT}/train_text_to_image_sdxl.py",
    ("sd15", "lora"): f"{_TEXT}/train_text_to_image_lora.py",
    ("sd15", "finetune"): f"{_TEXT}/train_text_to_image.py",
}
_DREAMBOOTH: Final = {
    "sdxl": f"{_ADVANCED}/train_dreambooth_lora_sdxl_advanced.py",
    "sd15": f"{_ADVANCED}/train_dreambooth_lora_sd15_advanced.py",
}
_MIXED: Final = {"bf16": "bf16", "fp16": "fp16", "fp32": "no"}
_TOKENS: Final = 75
"""Of a caption, that the scripts keep beside its two ends."""
_HEAD: Final = """\
#!/bin/sh
# Written by dsk export. DIFFUSERS is a checkout of github.com/huggingface/diffusers with its examples' requirements.
# It is started by itself: paths are taken from this folder.
"""
Options = dict[str, str | int | float | bool]


def train_script(material: Material, recipe: Recipe, *, is_dreambooth: bool, class_folder: str) -> str:
    """A shell script; `class_folder` holds the regularization images, '' where there are none."""
    script = _DREAMBOOTH[recipe.architecture] if is_dreambooth else _SCRIPTS[recipe.architecture, recipe.method]
    options = _shared(material, recipe) | _of_script(material, recipe, is_dreambooth=is_dreambooth)
    if is_dreambooth:
        options |= _dreambooth(material, class_folder)
    lines = [f"accelerate launch --num_processes=1 --mixed_precision={_MIXED[recipe.precision]}"]
    lines += [f'"${{DIFFUSERS:?a checkout of diffusers}}/{script}"', *_written(options)]
    notes = [f"# {note}\n" for note in (*recipe.advice, *recipe_warnings(recipe, is_dreambooth=is_dreambooth))]
    return f'{_HEAD}{"".join(notes)}set -e\ncd "$(dirname "$0")"\n{f" {chr(92)}{chr(10)}  ".join(lines)}\n'


def _shared(material: Material, recipe: Recipe) -> Options:
    """What all the scripts have."""
    length: Options = {"max_train_steps": recipe.steps} if recipe.steps else {"num_train_epochs": recipe.epochs}
    return {
        "pretrained_model_name_or_path": recipe.base,
        "caption_column": "text",
        "image_column": "image",
        "output_dir": f"output/{recipe.output_name}",
        "resolution": min(recipe.resolution_px),
        "train_batch_size": recipe.batch_size,
        "gradient_accumulation_steps": recipe.gradient_accumulation,
        "gradient_checkpointing": recipe.gradient_checkpointing,
        **length,
        "learning_rate": recipe.learning_rate,
        "lr_scheduler": recipe.scheduler,
        "lr_warmup_steps": recipe.warmup_steps,
        "adam_weight_decay": recipe.weight_decay,
        "max_grad_norm": recipe.max_grad_norm,
        "use_8bit_adam": recipe.optimizer in ("adamw8bit", "adafactor"),
        "mixed_precision": _MIXED[recipe.precision],
        "seed": recipe.seed,
        "checkpointing_steps": recipe.save_every_epochs * steps_of_epoch(material, recipe),
        **({"snr_gamma": recipe.min_snr_gamma} if recipe.min_snr_gamma else {}),
        **({"rank": recipe.rank} if recipe.method == "lora" else {}),
    }


def _of_script(material: Material, recipe: Recipe, *, is_dreambooth: bool) -> Options:
    """What only some of them have."""
    is_sdxl, is_lora = recipe.architecture == "sdxl", recipe.method == "lora"
    found: Options = {}
    if not (is_dreambooth and not is_sdxl):
        found["random_flip"] = material.common.flip_aug
    if not is_dreambooth:
        found |= {"train_data_dir": "train", "prediction_type": recipe.prediction}
    if is_sdxl and is_lora and recipe.text_encoder_learning_rate:
        found["train_text_encoder"] = True
    if is_dreambooth and recipe.text_encoder_learning_rate:
        found |= {"train_text_encoder": True, "text_encoder_lr": recipe.text_encoder_learning_rate}
    if is_sdxl and not is_lora:
        found["proportion_empty_prompts"] = material.common.caption_dropout_rate
    if recipe.prompts and (is_sdxl or is_lora):
        found["validation_prompt"] = recipe.prompts[0]
    elif recipe.prompts:
        found["validation_prompts"] = shlex.join(recipe.prompts)
    return found


def _dreambooth(material: Material, class_folder: str) -> Options:
    """The dataset's folder by its name, the prompt that stands for empty captions, and the class images."""
    regular = [subset for subset in material.subsets if subset.is_reg]
    found: Options = {"dataset_name": ".", "instance_prompt": _usual_tokens(material, is_reg=False), "repeats": 1}
    if class_folder:
        found |= {
            "with_prior_preservation": True,
            "class_data_dir": class_folder,
            "class_prompt": _usual_tokens(material, is_reg=True),
            "num_class_images": sum(len(subset.items) for subset in regular),
            "prior_loss_weight": regular[0].loss_weight,
        }
    return found


def _usual_tokens(material: Material, *, is_reg: bool) -> str:
    """Class tokens, or else the concept, of most of the images."""
    counts = Counter[str]()
    for subset in material.subsets:
        if subset.is_reg == is_reg:
            counts[subset.class_tokens or subset.concept or subset.name] += len(subset.items)
    return counts.most_common(1)[0][0] if counts else ""


def steps_of_epoch(material: Material, recipe: Recipe) -> int:
    """Optimizer updates in which every row is seen once; at least 1."""
    rows = sum(
        len(subset.items) * subset.repeats
        for subset in material.subsets
        if split_of(subset) == "train" and not subset.is_reg
    )
    return max(1, math.ceil(math.ceil(rows / recipe.batch_size) / recipe.gradient_accumulation))


def _written(options: Mapping[str, str | int | float | bool]) -> Iterator[str]:
    for name, value in options.items():
        if name == "validation_prompts":
            yield f"--{name} {value}"
        elif isinstance(value, bool):
            if value:
                yield f"--{name}"
        else:
            yield f"--{name}={shlex.quote(str(value))}"


def recipe_warnings(recipe: Recipe, *, is_dreambooth: bool) -> Iterator[str]:
    """What of a recipe the script has no option for."""
    if recipe.base.endswith((".safetensors", ".ckpt")):
        yield f"the scripts read models in diffusers' layout only: convert {recipe.base} first"
    if recipe.method == "lora" and recipe.alpha != recipe.rank:
        yield f"the script takes a LoRA's rank, {recipe.rank}, for its alpha: the recipe has {recipe.alpha:g}"
    if recipe.optimizer == "adafactor":
        yield "the script has AdamW in 8 bits in the place of Adafactor"
    if is_dreambooth and recipe.method == "finetune":
        yield f"the script trains a LoRA only: {recipe.name} is none"
    if is_dreambooth and recipe.prediction != "epsilon":
        yield f"{recipe.prediction}: the script takes it from the model's own scheduler"
    if recipe.text_encoder_learning_rate and not is_dreambooth:
        rate = f"text encoder at {recipe.text_encoder_learning_rate:g}"
        is_trained = (recipe.architecture, recipe.method) == ("sdxl", "lora")
        yield f"{rate}: the script {'trains it as fast as the rest' if is_trained else 'does not train it'}"
    if recipe.zero_terminal_snr:
        yield "zero terminal SNR: the script has it only if the model's own scheduler has rescale_betas_zero_snr"
    if recipe.max_tokens > _TOKENS:
        yield f"the script trains the first {_TOKENS} tokens of a caption: the recipe has {recipe.max_tokens}"
    if recipe.clip_skip > 1:
        yield f"the script takes the last layer of the text encoder: the recipe has clip_skip {recipe.clip_skip}"
    if recipe.negative or len(recipe.prompts) > 1:
        yield "the script makes sample pictures of one prompt, without a negative one, unless it finetunes SD 1.5"
