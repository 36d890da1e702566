"""Stable Diffusion in small: the same three networks and tokenizer, sized for a CPU.

A UNet with cross attention, a VAE and a CLIP text model with CLIP's own 49,408-token vocabulary, built from
the same classes as SD 1.5, so that what works here works there. Four pixels per latent, made for pictures of
64 to 128 px. Without a base folder its weights are random and decided by `model.seed` alone: such a model
paints noise, yet every other part of a bake is real.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trainer.contracts.model import BaseHeader, BaseSource, Family, Model, Prediction, SaveAs
from trainer.families._recognition import is_folder_of
from trainer.families._targets import TARGETS, TEXT_TARGETS, own_name

UNET = {
    "sample_size": 16,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": [64, 96, 128],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 128,
    "attention_head_dim": 4,
    "norm_num_groups": 16,
}
VAE = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 1,
    "block_out_channels": [16, 32, 64],
    "down_block_types": ["DownEncoderBlock2D"] * 3,
    "up_block_types": ["UpDecoderBlock2D"] * 3,
    "norm_num_groups": 8,
    "scaling_factor": 2.0,
    "force_upcast": False,
}
TEXT = {
    "vocab_size": 49408,
    "hidden_size": 128,
    "intermediate_size": 512,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "bos_token_id": 49406,
    "eos_token_id": 49407,
    "pad_token_id": 49407,
    "projection_dim": 128,
}


def load(source: BaseSource) -> Model:
    """The base folder's model, or one of random weights. Raises BaseModelError."""
    from trainer.families import _loading

    if source.header is None:
        return _loading.random(source, _kind(), {"unet": UNET, "vae": VAE, "text_encoder": TEXT})
    return _loading.load(source, _kind())


def save(model: Any, path: Path, how: SaveAs) -> None:
    """Writes a folder; there is no file layout of this family. Raises WriteError, ConfigError."""
    from trainer.families import _loading

    _loading.save(model, path, how, kind=_kind())


def recognise(header: BaseHeader) -> Prediction | None:
    """A folder like SD 1.5's whose VAE has four pixels per latent."""
    from trainer.bases import prediction_of

    return prediction_of(header) if is_folder_of(header, ("text_encoder",), vae_levels=3) else None


def _kind() -> Any:
    from trainer.families._loading import Kind
    from trainer.families._text import ONE

    return Kind("tiny", ONE, stride_px=4)


FAMILY = Family(
    name="tiny",
    latent_stride_px=4,
    native_resolution_px=64,
    targets=TARGETS,
    text_targets=TEXT_TARGETS,
    lora_prefixes={"unet": "lora_unet", "text_encoder": "lora_te"},
    own_name=own_name,
    embedding_keys={"text_encoder": "emb_params"},
    base_model_version="dsk_tiny_v1",
    architecture="dsk-tiny-v1",
    implementation="diffusers",
    layouts=("diffusers",),
    needs_base=False,
    recognise=recognise,
    load=load,
    save=save,
)
