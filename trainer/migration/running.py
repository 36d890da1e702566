"""How it goes: base, data, length, precision, saving, looking, logs."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Final

from trainer.migration.desk import Desk
from trainer.migration.rates import finds_its_rate

_STEPS = 1600
_UNSET_NAME = "last"
_DTYPES: Final = {"fp16": "fp16", "bf16": "bf16", "float": "fp32"}
_LAYOUTS: Final = {"diffusers": "diffusers", "diffusers_safetensors": "diffusers"}
_MARKS = re.compile(r'[/\\:*?"<>|\0]')
_OF_OURS: Final = frozenset({"cache", "checkpoints", "samples", "tensorboard"})


def apply(desk: Desk) -> None:
    """Fills [model], [text], [dataset], [train], [memory], [sample], [log], [output]."""
    _model(desk)
    _data(desk)
    _length(desk)
    _precision(desk)
    _saving(desk)
    _samples(desk)
    _logs(desk)


def _model(desk: Desk) -> None:
    base = desk.get("pretrained_model_name_or_path")
    if base is not None:
        is_hub = re.fullmatch(r"[\w.-]+/[\w.-]+", base) and "." not in PurePath(base).suffix
        remark = "nothing is fetched: put the file there yourself" if is_hub and not base.startswith(".") else ""
        desk.take("pretrained_model_name_or_path", "model.base", base, remark)
        if "vae" in desk:
            desk.take("vae", "model.vae", desk.get("vae"))
    desk.note("vae", "no effect", "there is no base whose VAE it would replace")
    if "clip_skip" in desk and desk.is_sdxl:
        desk.note("clip_skip", "no effect", "sd-scripts does not use it for SDXL: always the last layer but one")
    elif desk.get("clip_skip"):
        desk.take("clip_skip", "text.clip_skip", desk.get("clip_skip"))
    else:
        desk.note("clip_skip", "no effect", "0 is the usual layer")
    length = desk.get("max_token_length", 75)
    if length in (150, 225):
        desk.take(
            "max_token_length", "text.max_token_length", length, "cut between tags, as viewers do; see text.split"
        )
    else:
        desk.note("max_token_length", "otherwise", "captions take as many rows of 75 tokens as they need", "text")
        if "max_token_length" not in desk:
            desk.default("max_token_length", 75, "text", "captions take as many rows of 75 tokens as they need")


def _data(desk: Desk) -> None:
    for option, ours in (("train_data_dir", "train_dir"), ("reg_data_dir", "reg_dir")):
        if "dataset_config" in desk:
            desk.note(option, "no effect", "dataset_config goes first")
        elif "in_json" in desk:
            desk.note(option, "taken", "in the dataset TOML that is written beside", "dataset.config")
        elif option in desk and "train_data_dir" in desk:
            desk.take(option, f"dataset.{ours}", desk.get(option))
        else:
            desk.note(option, "no effect", "there is no train_data_dir")
    if "dataset_config" in desk:
        desk.take("dataset_config", "dataset.config", desk.get("dataset_config"))
    for option in ("in_json", "dataset_repeats"):
        has_effect = "in_json" in desk and "train_data_dir" in desk and "dataset_config" not in desk
        remark = (
            "in the dataset TOML that is written beside" if has_effect else "only with in_json and no dataset_config"
        )
        desk.note(option, "taken" if has_effect else "no effect", remark, "dataset.config" if has_effect else "")
    extension = "caption_extention" if "caption_extention" in desk else "caption_extension"
    if extension in desk:
        desk.take(extension, "dataset.general.caption_extension", desk.get(extension))
    if extension == "caption_extention":
        desk.note("caption_extension", "no effect", "caption_extention goes first")
    _sizes(desk)


def _sizes(desk: Desk) -> None:
    sides = _numbers(desk.get("resolution", ""))
    if len(set(sides)) == 1 and len(sides) <= 2 and sides[0] >= 1:
        desk.take("resolution", "dataset.resolution", int(sides[0]))
    elif len(sides) == 2 and min(sides) >= 1:
        desk.take("resolution", "dataset.general.resolution", [int(side) for side in sides])
    faces = _numbers(desk.get("face_crop_aug_range", ""))
    if len(faces) == 2 and 0 < faces[0] <= faces[1]:
        desk.take("face_crop_aug_range", "dataset.general.face_crop_aug_range", faces)
    if "resize_interpolation" in desk:
        desk.take("resize_interpolation", "dataset.general.resize_interpolation", desk.get("resize_interpolation"))


def _length(desk: Desk) -> None:
    if desk.get("max_train_epochs"):
        desk.take("max_train_epochs", "train.epochs", desk.get("max_train_epochs"))
        desk.note("max_train_steps", "no effect", "max_train_epochs goes first")
    else:
        desk.note("max_train_epochs", "no effect", "0 is none")
        steps = desk.get("max_train_steps") or _STEPS
        desk.put("train.steps", steps)
        desk.note("max_train_steps", "taken", "", "train.steps")
        if "max_train_steps" not in desk:
            desk.default("max_train_steps", _STEPS, "train.steps", "its own")
    if "seed" in desk:
        desk.take("seed", "train.seed", abs(desk.get("seed")))
    if "validate_every_n_steps" in desk:
        desk.take("validate_every_n_steps", "validation.every", max(0, desk.get("validate_every_n_steps")))
    if desk.get("max_validation_steps"):
        desk.take(
            "max_validation_steps", "validation.images", desk.get("max_validation_steps"), "pictures, not batches"
        )


def _precision(desk: Desk) -> None:
    mixed = desk.get("mixed_precision", "no")
    is_half = mixed in ("fp16", "bf16")
    desk.put("train.precision", "bf16" if is_half else "fp32")
    if mixed == "fp16":
        desk.note("mixed_precision", "otherwise", "bf16, which needs no loss scaling", "train.precision")
    else:
        desk.note("mixed_precision", "taken", "", "train.precision")
    if is_half and desk.script == "network":
        # There too, what is not trained is held in the precision of the arithmetic.
        desk.put("memory.weights", "bf16")
        desk.put("memory.text_weights", "bf16")
    is_full = "full_bf16" in desk or "full_fp16" in desk
    if is_full and desk.script != "word":
        desk.put("train.precision", "bf16")
        for ours in ("weights", "text_weights", *(["adapter_weights"] if desk.script == "network" else [])):
            desk.put(f"memory.{ours}", "bf16")
    remark = "no effect on a word" if desk.script == "word" else "rounded stochastically, which there it is not"
    desk.note("full_bf16", "no effect" if desk.script == "word" else "otherwise", remark, "memory.weights")
    desk.note("full_fp16", "no effect" if desk.script == "word" else "otherwise", f"bf16; {remark}", "memory.weights")
    for option in ("fp8_base", "fp8_base_unet"):
        if option in desk and desk.script == "network":
            desk.take(option, "memory.weights", "fp8", "of the network alone, not of text encoders")
        else:
            desk.note(option, "no effect", "weights that are trained cannot be fp8")
    _fused(desk)


def _fused(desk: Desk) -> None:
    is_alone = desk.get("gradient_accumulation_steps", 1) == 1 and not finds_its_rate(desk)
    for option in ("fused_backward_pass", "fused_optimizer_groups"):
        if not desk.get(option):
            desk.note(option, "no effect", "0 is none")
        elif is_alone:
            desk.take(option, "memory.fused_backward", True, "weight by weight; gradients are not clipped")
        else:
            desk.note(option, "not taken", "not with gradient accumulation, nor where one rate is found for all")


def _saving(desk: Desk) -> None:
    name = _MARKS.sub("-", desk.get("output_name", _UNSET_NAME)).lstrip(".") or _UNSET_NAME
    name = f"{name}-result" if name in _OF_OURS else name
    desk.put("output.name", name)
    changed = "" if name == desk.get("output_name") else "a name that files can have"
    desk.note("output_name", "otherwise" if changed else "taken", changed, "output.name")
    folder = desk.get("output_dir")
    if folder is not None:
        place = f"{folder.rstrip('/' + chr(92))}/{name}"
        desk.take("output_dir", "output.dir", place, "a folder of the run's own below it, with its checkpoints")
    precision = desk.get("save_precision", "float")
    if "save_precision" not in desk and ("full_bf16" in desk or "full_fp16" in desk):
        precision = "bf16" if "full_bf16" in desk else "fp16"
    desk.put("output.dtype", _DTYPES.get(precision, "fp32"))
    desk.note("save_precision", "taken" if precision in _DTYPES else "not taken", "", "output.dtype")
    layout = desk.get("save_model_as", "safetensors").lower()
    if layout in _LAYOUTS and desk.script in ("finetune", "dreambooth"):
        desk.take("save_model_as", "output.layout", _LAYOUTS[layout])
    elif layout == "safetensors":
        desk.note("save_model_as", "no effect", "results are always .safetensors")
    else:
        desk.note("save_model_as", "not taken", "results are always .safetensors")
    for option, ours in (("save_every_n_epochs", "save_every_epochs"), ("save_every_n_steps", "save_every")):
        if desk.get(option):
            desk.take(option, f"train.{ours}", desk.get(option))
            desk.put("train.keep_results", True)
        else:
            desk.note(option, "no effect", "0 is none")


def _samples(desk: Desk) -> None:
    file = desk.get("sample_prompts")
    if file is not None and file.lower().endswith(".txt"):
        desk.take("sample_prompts", "sample.prompt_file", file)
    else:
        desk.note("sample_prompts", "not taken", "write the prompts into a .txt, one a line, for sample.prompt_file")
    if desk.get("sample_every_n_epochs"):
        desk.take("sample_every_n_epochs", "sample.every_epochs", desk.get("sample_every_n_epochs"))
        desk.note("sample_every_n_steps", "no effect", "sample_every_n_epochs goes first")
    elif desk.get("sample_every_n_steps"):
        desk.take("sample_every_n_steps", "sample.every", desk.get("sample_every_n_steps"))
    for option in ("sample_every_n_epochs", "sample_every_n_steps"):
        if not desk.get(option):
            desk.note(option, "no effect", "0 is none")
    sampler = desk.get("sample_sampler", "ddim")
    if sampler == "ddim":
        desk.note("sample_sampler", "no effect", "it is DDIM")
    else:
        desk.note("sample_sampler", "not taken", "sample pictures are made with DDIM", "sample")


def _logs(desk: Desk) -> None:
    tool = desk.get("log_with", "tensorboard")
    wants_board = "logging_dir" in desk and tool in ("tensorboard", "all")
    if wants_board:
        desk.put("log.tensorboard", True)
    desk.note(
        "logging_dir",
        "otherwise" if wants_board else "not taken",
        "logs lie in the output folder" if wants_board else "wandb keeps a folder of its own",
        "log.tensorboard" if wants_board else "",
    )
    if tool in ("wandb", "all"):
        desk.put("log.wandb", desk.get("log_tracker_name", "dsk"))
        desk.note("log_with", "taken", "", "log.wandb")
        desk.note("log_tracker_name", "taken", "the project's name", "log.wandb")
    else:
        desk.note("log_with", "taken" if wants_board else "no effect", "" if wants_board else "there is no logging_dir")
        desk.note("log_tracker_name", "no effect", "it is for wandb")


def _numbers(text: str) -> list[float]:
    """Empty where they cannot be understood."""
    try:
        return [float(part) for part in text.strip("[]() ").split(",") if part.strip()]
    except ValueError:
        return []
