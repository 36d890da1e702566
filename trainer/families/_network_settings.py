"""The networks' settings: those of the plain architecture, corrected by what a checkpoint's shapes show.

The corrections let smaller and wider variants load: fewer blocks, layers or channels, other text models.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

from trainer.contracts.model import BaseHeader
from trainer.errors import BaseModelError
from trainer.families import _ldm_text, _ldm_unet, _ldm_vae

Kind = Literal["sd15", "sdxl"]
Shapes = Mapping[str, tuple[int, ...]]
_HEAD = 64
"""Channels of an attention head, in SDXL's UNet and in all of CLIP's text models."""


def shipped(kind: Kind) -> dict[str, dict[str, Any]]:
    """Settings of the plain architecture: unet, vae, text_encoder, with SDXL text_encoder_2, and scheduler."""
    data = resources.files("trainer.families").joinpath("assets", f"{kind}.json").read_bytes()
    settings: dict[str, dict[str, Any]] = json.loads(data)
    return settings


def network_settings(header: BaseHeader, kind: Kind) -> dict[str, dict[str, Any]]:
    """Settings of a checkpoint's networks by part, as diffusers' and transformers' classes take them.

    A network that the file lacks has its plain settings. Raises BaseModelError where the shapes are no such model's.
    """
    settings = shipped(kind)
    del settings["scheduler"]
    try:
        _correct(settings, header.shapes, kind)
    except (KeyError, IndexError, ValueError, StopIteration) as error:
        raise BaseModelError(
            f"{header.path}: its weights are not those of a model of kind {kind} ({error})",
            hint="choose the family that this base belongs to, or copy the base model again",
        ) from None
    return settings


def _correct(settings: dict[str, dict[str, Any]], shapes: Shapes, kind: Kind) -> None:
    unet = _below(shapes, _ldm_unet.PREFIX)
    if unet:
        settings["unet"].update(_unet(unet, kind))
    vae = _below(shapes, _ldm_vae.PREFIX)
    if vae:
        settings["vae"].update(_vae(vae))
    first = _below(shapes, _ldm_text.SD15_PREFIX if kind == "sd15" else _ldm_text.SDXL_PREFIX)
    if first:
        settings["text_encoder"].update(_clip({_ldm_text.bare(key): shape for key, shape in first.items()}))
    second = _below(shapes, _ldm_text.SDXL_SECOND_PREFIX) if kind == "sdxl" else {}
    if second:
        settings["text_encoder_2"].update(_open_clip(second))
    pooled = settings.get("text_encoder_2", {}).get("projection_dim", 0)
    told = settings["unet"].get("projection_class_embeddings_input_dim", 0)
    if kind == "sdxl" and told > pooled:
        settings["unet"]["addition_time_embed_dim"] = (told - pooled) // 6


def _below(shapes: Shapes, prefix: str) -> dict[str, tuple[int, ...]]:
    return {key.removeprefix(prefix): shape for key, shape in shapes.items() if key.startswith(prefix)}


def _count(shapes: Shapes, pattern: str) -> int:
    """How many different numbers stand in the pattern's place, of keys that begin with it."""
    found = (re.match(pattern, key) for key in shapes)
    return len({match[1] for match in found if match})


def _unet(shapes: Shapes, kind: Kind) -> dict[str, Any]:
    widths, layers, depths = _way_down(shapes)
    attention = next(key for key in sorted(shapes) if key.endswith(".attn2.to_k.weight"))
    cross = [depth > 0 for depth in depths]
    # diffusers gives the middle the last block's depth, which has none of its own in SD 1.5.
    depths[-1] = depths[-1] or _count(shapes, r"middle_block\.1\.transformer_blocks\.(\d+)\.")
    found: dict[str, Any] = {
        "in_channels": shapes["input_blocks.0.0.weight"][1],
        "out_channels": shapes["out.2.weight"][0],
        "block_out_channels": widths,
        "layers_per_block": layers,
        "cross_attention_dim": shapes[attention][1],
        "down_block_types": ["CrossAttnDownBlock2D" if one else "DownBlock2D" for one in cross],
        "up_block_types": ["CrossAttnUpBlock2D" if one else "UpBlock2D" for one in reversed(cross)],
    }
    if kind == "sdxl":
        found["transformer_layers_per_block"] = [max(depth, 1) for depth in depths]
        found["use_linear_projection"] = len(shapes["middle_block.1.proj_in.weight"]) == 2
        found["attention_head_dim"] = [max(width // _HEAD, 1) for width in widths]
        found["projection_class_embeddings_input_dim"] = shapes["label_emb.0.0.weight"][1]
    return found


def _way_down(shapes: Shapes) -> tuple[list[int], int, list[int]]:
    """Each block's channels, how many layers a block has, and how many transformers an attention of it has."""
    widths, layers, depths = [0], [0], [0]
    for number in range(1, _count(shapes, r"input_blocks\.(\d+)\.")):
        stem = f"input_blocks.{number}"
        if f"{stem}.0.op.weight" in shapes:
            widths.append(0)
            layers.append(0)
            depths.append(0)
            continue
        widths[-1] = shapes[f"{stem}.0.out_layers.3.weight"][0]
        layers[-1] += 1
        depths[-1] = _count(shapes, rf"input_blocks\.{number}\.1\.transformer_blocks\.(\d+)\.")
    if len(set(layers)) != 1 or layers[0] == 0:
        raise ValueError(f"layers of its blocks: {layers}")
    return widths, layers[0], depths


def _vae(shapes: Shapes) -> dict[str, Any]:
    blocks = _count(shapes, r"encoder\.down\.(\d+)\.")
    return {
        "in_channels": shapes["encoder.conv_in.weight"][1],
        "out_channels": shapes["decoder.conv_out.weight"][0],
        "latent_channels": shapes["decoder.conv_in.weight"][1],
        "block_out_channels": [shapes[f"encoder.down.{one}.block.0.conv1.weight"][0] for one in range(blocks)],
        "layers_per_block": _count(shapes, r"encoder\.down\.0\.block\.(\d+)\."),
        "down_block_types": ["DownEncoderBlock2D"] * blocks,
        "up_block_types": ["UpDecoderBlock2D"] * blocks,
    }


def _clip(shapes: Shapes) -> dict[str, Any]:
    words, width = shapes["embeddings.token_embedding.weight"]
    return {
        "vocab_size": words,
        "hidden_size": width,
        "projection_dim": width,
        "intermediate_size": shapes["encoder.layers.0.mlp.fc1.weight"][0],
        "num_hidden_layers": _count(shapes, r"encoder\.layers\.(\d+)\."),
        "num_attention_heads": max(width // _HEAD, 1),
        "max_position_embeddings": shapes["embeddings.position_embedding.weight"][0],
    }


def _open_clip(shapes: Shapes) -> dict[str, Any]:
    words, width = shapes["token_embedding.weight"]
    return {
        "vocab_size": words,
        "hidden_size": width,
        "projection_dim": shapes["text_projection"][1],
        "intermediate_size": shapes["transformer.resblocks.0.mlp.c_fc.weight"][0],
        "num_hidden_layers": _count(shapes, r"transformer\.resblocks\.(\d+)\."),
        "num_attention_heads": max(width // _HEAD, 1),
        "max_position_embeddings": shapes["positional_embedding"][0],
    }
