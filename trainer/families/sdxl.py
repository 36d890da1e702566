"""Stable Diffusion XL, and what was made of it, such as Pony, Illustrious and NoobAI: CLIP-L and OpenCLIP bigG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contracts.model import BaseHeader, BaseSource, Family, Model, Prediction, SaveAs
from trainer.families._recognition import is_file_of, is_folder_of
from trainer.families._targets import TARGETS, TEXT_TARGETS, sdxl_name


def load(source: BaseSource) -> Model:
    """The model of a file or folder. Raises BaseModelError."""
    from trainer.families import _loading

    return _loading.load(source, _kind())


def save(model: Any, path: Path, how: SaveAs) -> None:
    """Writes a checkpoint file or a folder. Raises WriteError."""
    from trainer.families import _loading

    _loading.save(model, path, how, kind=_kind())


def recognise(header: BaseHeader) -> Prediction | None:
    """Both text encoders, and a network that is told sizes; the refiner lacks the first of them."""
    from trainer.bases import prediction_of

    folder = is_folder_of(header, ("text_encoder", "text_encoder_2"), vae_levels=4)
    encoders = ("conditioner.embedders.0.transformer.", "conditioner.embedders.1.model.")
    return prediction_of(header) if folder or is_file_of(header, encoders, pooled=True) else None


def _kind() -> Any:
    from trainer.families._loading import Kind
    from trainer.families._text import TWO

    return Kind("sdxl", TWO, stride_px=8, file_kind="sdxl")


FAMILY = Family(
    name="sdxl",
    latent_stride_px=8,
    native_resolution_px=1024,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    lora_prefixes={"unet": "lora_unet", "text_encoder": "lora_te1", "text_encoder_2": "lora_te2"},
    own_name=sdxl_name,
    embedding_keys={"text_encoder": "clip_l", "text_encoder_2": "clip_g"},
    base_model_version="sdxl_base_v1-0",
    architecture="stable-diffusion-xl-v1-base",
    implementation="https://github.com/Stability-AI/generative-models",
    layouts=("single-file", "diffusers"),
    needs_base=True,
    recognise=recognise,
    load=load,
    save=save,
)
