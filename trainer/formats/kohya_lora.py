"""LoRA files with kohya's key names, which ComfyUI, A1111, Forge and diffusers read.

A key is `<prefix>_<module path, dots as underscores>.<suffix>`, e.g. `lora_unet_mid_block_attentions_0_...
.lora_down.weight`; `.alpha` is a scalar. Block names are those of diffusers, as sd-scripts writes them for
SD 1.x. Hashes: kohya-ss/sd-scripts:library/train_util.py (precalculate_safetensors_hashes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.atomic import write_file
from trainer.errors import LoraFileError, some

_SUFFIXES = (".lora_down.weight", ".lora_up.weight", ".alpha")


def to_file_key(name: str, prefixes: Mapping[str, str]) -> str:
    """`unet.mid_block.x.lora_up.weight` -> `lora_unet_mid_block_x.lora_up.weight`."""
    suffix = next(suffix for suffix in _SUFFIXES if name.endswith(suffix))
    part, _, path = name.removesuffix(suffix).partition(".")
    return f"{prefixes[part]}_{path.replace('.', '_')}{suffix}"


def save(
    path: Path, state: Mapping[str, torch.Tensor], *, prefixes: Mapping[str, str], metadata: Mapping[str, str]
) -> None:
    """Writes the adapter's tensors with both hashes added to the metadata. Raises WriteError."""
    tensors = {to_file_key(name, prefixes): tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    model_hash, legacy_hash = hashes(tensors, metadata)
    whole = {**metadata, "sshs_model_hash": model_hash, "sshs_legacy_hash": legacy_hash}
    write_file(path, safetensors.torch.save(tensors, whole))


def hashes(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> tuple[str, str]:
    """`sshs_model_hash` and `sshs_legacy_hash` of a file with these tensors and metadata.

    The first is of all bytes behind the header. The second is of 64 KiB at 1 MiB of the file as it would be
    with its ss_ metadata alone: it depends on the header's length, and for short files it is that of nothing.
    """
    bare = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    content = safetensors.torch.save(dict(tensors), bare)
    header = int.from_bytes(content[:8], "little")
    legacy = content[0x100000 : 0x100000 + 0x10000]
    return hashlib.sha256(content[8 + header :]).hexdigest(), hashlib.sha256(legacy).hexdigest()[:8]


def load(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The file's tensors by its own keys, and its metadata. Raises LoraFileError."""
    if not path.is_file():
        raise LoraFileError(f"{path}: there is no such file", hint="bake first, or correct the path")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise LoraFileError(f"{path}: is not a safetensors file ({error})", hint="download or bake it again") from None


def to_state(
    tensors: Mapping[str, torch.Tensor], names: Iterable[str], *, prefixes: Mapping[str, str]
) -> dict[str, torch.Tensor]:
    """The adapter's tensors by its own `names`. Raises LoraFileError where a key belongs to none of them."""
    own = {to_file_key(name, prefixes): name for name in names}
    if strange := sorted(set(tensors) - set(own)):
        raise LoraFileError(
            f"the LoRA does not fit this model: no module for {some(strange, limit=2)}",
            hint="choose the family and the targets that it was baked with",
        )
    state = {own[key]: tensor for key, tensor in tensors.items()}
    # A file without alpha means alpha = rank, that is a scale of one.
    for name in own.values():
        if name.endswith(".alpha") and name not in state:
            down = state.get(name.removesuffix(".alpha") + ".lora_down.weight")
            state[name] = torch.tensor(float(down.shape[0] if down is not None else 1))
    return state


def module_paths(tensors: Iterable[str]) -> set[str]:
    """The module part of each key: what the file adapts."""
    return {key.partition(".")[0] for key in tensors}


def rank_and_alpha(tensors: Mapping[str, torch.Tensor]) -> tuple[int, float]:
    """Rank and alpha of the file. Raises LoraFileError where its modules differ in rank."""
    ranks = {tensor.shape[0] for key, tensor in tensors.items() if key.endswith(".lora_down.weight")}
    if len(ranks) != 1:
        raise LoraFileError(f"the LoRA has {len(ranks)} different ranks", hint="only files of one rank are read")
    rank = ranks.pop()
    alphas = {float(tensor) for key, tensor in tensors.items() if key.endswith(".alpha")}
    return rank, alphas.pop() if alphas else float(rank)


def dumps(value: object) -> str:
    """JSON as metadata holds it."""
    return json.dumps(value, ensure_ascii=False)
