"""Names of a VAE's weights: diffusers' modules against the single-file checkpoints of Stable Diffusion.

The checkpoints count the blocks of the way up from the finest, diffusers from the coarsest, and keep the
attention's matrices as 1x1 convolutions (CompVis/latent-diffusion:ldm/modules/diffusionmodules/model.py).
"""

from __future__ import annotations

import re

PREFIX = "first_stage_model."

_WORDS = (
    (re.compile(r"\bmid_block\.resnets\.0\b"), "mid.block_1"),
    (re.compile(r"\bmid_block\.resnets\.1\b"), "mid.block_2"),
    (re.compile(r"\bmid_block\.attentions\.0\b"), "mid.attn_1"),
    (re.compile(r"\bconv_shortcut\b"), "nin_shortcut"),
    (re.compile(r"\bconv_norm_out\b"), "norm_out"),
    (re.compile(r"\bdownsamplers\.0\b"), "downsample"),
    (re.compile(r"\bupsamplers\.0\b"), "upsample"),
    (re.compile(r"\bdown_blocks\.(\d+)\b"), r"down.\1"),
    (re.compile(r"\b(down\.\d+|up_blocks\.\d+)\.resnets\b"), r"\1.block"),
)
_ATTENTION = {"group_norm": "norm", "to_q": "q", "to_k": "k", "to_v": "v", "to_out.0": "proj_out"}
_OLD = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
_UP = re.compile(r"\bup_blocks\.(\d+)\b")
_ATTENTION_PART = re.compile(r"(.*\bmid\.attn_1\.)(group_norm|to_q|to_k|to_v|to_out\.0)(\..*)?")
_OLD_PART = re.compile(r"(.*\battentions\.\d+\.)(query|key|value|proj_attn)(\..*)?")
_AS_CONVOLUTION = re.compile(r".*\bmid\.attn_1\.(q|k|v|proj_out)\.weight")


def to_ldm(path: str, num_blocks: int) -> str:
    """diffusers' name -> the checkpoint's, without `PREFIX`; `num_blocks` is the way up's."""
    path = modern(path)
    for pattern, word in _WORDS:
        path = pattern.sub(word, path)
    path = _UP.sub(lambda match: f"up.{num_blocks - 1 - int(match[1])}", path)
    match = _ATTENTION_PART.fullmatch(path)
    return f"{match[1]}{_ATTENTION[match[2]]}{match[3] or ''}" if match else path


def modern(path: str) -> str:
    """diffusers' name as it is today: before 0.17 the attention's parts were query, key, value and proj_attn."""
    match = _OLD_PART.fullmatch(path)
    return f"{match[1]}{_OLD[match[2]]}{match[3] or ''}" if match else path


def is_convolution(key: str) -> bool:
    """Whether the checkpoint keeps this matrix, by the checkpoint's name, with two more axes of length 1."""
    return _AS_CONVOLUTION.fullmatch(key) is not None
