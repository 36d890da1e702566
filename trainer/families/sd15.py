"""Stable Diffusion 1.x, and what was made of it: one CLIP-L text encoder, eight pixels per latent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contracts.model import BaseHeader, BaseSource, Family, Model, Prediction, SaveAs
from trainer.families._recognition import is_file_of, is_folder_of
from trainer.families._targets import TARGETS, TEXT_TARGETS, own_name


def load(source: BaseSource) -> Model:
    """The model of a file or folder. Raises BaseModelError."""
    from trainer.families import _loading

    return _loading.load(source, _kind())


def save(model: Any, path: Path, how: SaveAs) -> None:
    """Writes a checkpoint file or a folder. Raises WriteError."""
    from trainer.families import _loading

    _loading.save(model, path, how, kind=_kind())


def recognise(header: BaseHeader) -> Prediction | None:
    """One text encoder by transformers' names, and no 2.x, whose contexts are 1024 wide."""
    from trainer.bases import prediction_of

    folder = is_folder_of(header, ("text_encoder",), vae_levels=4)
    file = is_file_of(header, ("cond_stage_model.transformer.",), pooled=False)
    return prediction_of(header) if folder or file else None


def _kind() -> Any:
    from trainer.families._loading import Kind
    from trainer.families._text import ONE

    return Kind("sd15", ONE, stride_px=8, file_kind="sd15")


FAMILY = Family(
    name="sd15",
    latent_stride_px=8,
    native_resolution_px=512,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    lora_prefixes={"unet": "lora_unet", "text_encoder": "lora_te"},
    own_name=own_name,
    embedding_keys={"text_encoder": "emb_params"},
    base_model_version="sd_v1",
    architecture="stable-diffusion-v1",
    implementation="diffusers",
    layouts=("single-file", "diffusers"),
    needs_base=True,
    recognise=recognise,
    load=load,
    save=save,
)
