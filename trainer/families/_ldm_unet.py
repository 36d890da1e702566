"""Names of a UNet's weights: diffusers' modules against the single-file checkpoints of Stable Diffusion.

The checkpoints count input and output blocks in one row each, a downsampler being a block of its own and an
upsampler the last module of its block (CompVis/latent-diffusion:ldm/modules/diffusionmodules/openaimodel.py).
Everything works on module paths and on keys alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

PREFIX = "model.diffusion_model."

_STEMS = {
    "conv_in": "input_blocks.0.0",
    "time_embedding.linear_1": "time_embed.0",
    "time_embedding.linear_2": "time_embed.2",
    "add_embedding.linear_1": "label_emb.0.0",
    "add_embedding.linear_2": "label_emb.0.2",
    "mid_block.resnets.0": "middle_block.0",
    "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
    "conv_norm_out": "out.0",
    "conv_out": "out.2",
}
_RESNET = {
    "norm1": "in_layers.0",
    "conv1": "in_layers.2",
    "time_emb_proj": "emb_layers.1",
    "norm2": "out_layers.0",
    "conv2": "out_layers.3",
    "conv_shortcut": "skip_connection",
}
_OWN_STEMS = {theirs: own for own, theirs in _STEMS.items()}
_OWN_RESNET = {theirs: own for own, theirs in _RESNET.items()}
_BLOCK = re.compile(r"(down|up)_blocks\.(\d+)\.(resnets|attentions|downsamplers|upsamplers)\.(\d+)(.*)")
_LDM_BLOCK = re.compile(r"(input|output)_blocks\.(\d+)\.(\d+)(.*)")


@dataclass(frozen=True)
class UNetShape:
    """What the names depend on."""

    layers_per_block: int
    attention_up: tuple[bool, ...]
    """Whether each block of the way up has attention, from the deepest."""


def shape_of(settings: Mapping[str, Any]) -> UNetShape:
    """From a UNet's config."""
    up = tuple("CrossAttn" in kind for kind in settings["up_block_types"])
    return UNetShape(int(settings["layers_per_block"]), up)


def to_ldm(path: str, shape: UNetShape) -> str:
    """diffusers' name -> the checkpoint's, without `PREFIX`; a name that is none of diffusers' stays as it is."""
    stem, rest = _cut(path, _STEMS)
    if stem:
        return _STEMS[stem] + (_renamed(rest, _RESNET) if "resnets" in stem else rest)
    match = _BLOCK.fullmatch(path)
    if match is None:
        return path
    way, block, kind, place, rest = match[1], int(match[2]), match[3], int(match[4]), match[5]
    row = shape.layers_per_block + 1
    if kind == "downsamplers":
        return f"input_blocks.{row * (block + 1)}.0" + _renamed(rest, {"conv": "op"})
    if kind == "upsamplers":
        after = 2 if block < len(shape.attention_up) and shape.attention_up[block] else 1
        return f"output_blocks.{row * block + row - 1}.{after}{rest}"
    number = f"input_blocks.{row * block + place + 1}" if way == "down" else f"output_blocks.{row * block + place}"
    return f"{number}.0{_renamed(rest, _RESNET)}" if kind == "resnets" else f"{number}.1{rest}"


def from_ldm(path: str, shape: UNetShape) -> str:
    """The checkpoint's name, without `PREFIX` -> diffusers'; a name that is none of a checkpoint's stays as it is."""
    stem, rest = _cut(path, _OWN_STEMS)
    if stem:
        own = _OWN_STEMS[stem]
        return own + (_renamed(rest, _OWN_RESNET) if "resnets" in own else rest)
    match = _LDM_BLOCK.fullmatch(path)
    if match is None:
        return path
    way, number, kind, rest = match[1], int(match[2]), int(match[3]), match[4]
    row = shape.layers_per_block + 1
    block, place = divmod(number - 1 if way == "input" else number, row)
    if _starts(rest, ".op"):
        return f"down_blocks.{block}.downsamplers.0" + _renamed(rest, {"op": "conv"})
    if way == "output" and _starts(rest, ".conv"):
        return f"up_blocks.{block}.upsamplers.0{rest}"
    side = "down_blocks" if way == "input" else "up_blocks"
    if kind == 0:
        return f"{side}.{block}.resnets.{place}{_renamed(rest, _OWN_RESNET)}"
    return f"{side}.{block}.attentions.{place}{rest}"


def _starts(path: str, stem: str) -> bool:
    return path == stem or path.startswith(stem + ".")


def _cut(path: str, stems: Mapping[str, str]) -> tuple[str, str]:
    """The stem that the path starts with, and what follows it; two empty texts where there is none."""
    found = next((stem for stem in stems if _starts(path, stem)), "")
    return found, path[len(found) :] if found else ""


def _renamed(rest: str, names: Mapping[str, str]) -> str:
    """`.norm1.weight` -> `.in_layers.0.weight`."""
    stem, after = _cut(rest.removeprefix("."), names)
    return f".{names[stem]}{after}" if stem else rest
