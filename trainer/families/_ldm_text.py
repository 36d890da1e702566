"""Names of the text models' weights: transformers' modules against single-file checkpoints.

The first text model is CLIP under transformers' own names. SDXL's second one is OpenCLIP's: its attention keeps
query, key and value in one matrix, and its projection lies the other way round
(mlfoundations/open_clip:src/open_clip/transformer.py).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SD15_PREFIX = "cond_stage_model.transformer."
SDXL_PREFIX = "conditioner.embedders.0.transformer."
SDXL_SECOND_PREFIX = "conditioner.embedders.1.model."

_LAYER = re.compile(r"encoder\.layers\.(\d+)\.(.+)\.(weight|bias)")
_IN_LAYER = {
    "layer_norm1": "ln_1",
    "layer_norm2": "ln_2",
    "mlp.fc1": "mlp.c_fc",
    "mlp.fc2": "mlp.c_proj",
    "self_attn.out_proj": "attn.out_proj",
}
_THIRDS = {"self_attn.q_proj": 0, "self_attn.k_proj": 1, "self_attn.v_proj": 2}
_OUTSIDE = {
    "embeddings.token_embedding.weight": "token_embedding.weight",
    "embeddings.position_embedding.weight": "positional_embedding",
    "final_layer_norm.weight": "ln_final.weight",
    "final_layer_norm.bias": "ln_final.bias",
}


@dataclass(frozen=True)
class Place:
    """Where a weight lies in a checkpoint."""

    key: str
    third: int | None = None
    """It is this third of the tensor's rows; None: all of it."""
    turned: bool = False
    """It lies with its two axes swapped."""


def bare(key: str) -> str:
    """Without `text_model.`: transformers names the weights with that level or without, files have it."""
    return key.removeprefix("text_model.")


def to_clip(key: str) -> str:
    """A key of transformers' CLIPTextModel -> the checkpoint's, without the prefix."""
    return "text_model." + bare(key)


def to_open_clip(key: str) -> Place:
    """A key of transformers' CLIPTextModelWithProjection -> its place in a checkpoint, without the prefix."""
    key = bare(key)
    if key == "text_projection.weight":
        return Place("text_projection", turned=True)
    match = _LAYER.fullmatch(key)
    if match is None:
        return Place(_OUTSIDE.get(key, key))
    number, part, kind = match.groups()
    layer = f"transformer.resblocks.{number}"
    if part in _THIRDS:
        return Place(f"{layer}.attn.in_proj_{kind}", third=_THIRDS[part])
    return Place(f"{layer}.{_IN_LAYER.get(part, part)}.{kind}")
