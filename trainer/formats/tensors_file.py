"""A safetensors file as bytes: the same for the same content, with the hashes that LoRA managers index by.

The library writes metadata in a different order each time; here it is sorted, so that a file can be told by its
digest. Hashes: kohya-ss/sd-scripts:library/train_util.py (precalculate_safetensors_hashes).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch
from safetensors import SafetensorError

from trainer.errors import LoraFileError, WriteError

_LENGTH_BYTES = 8
_LEGACY_START, _LEGACY_BYTES = 0x100000, 0x10000


@dataclass(frozen=True)
class Packed:
    """Tensors as a safetensors file holds them, before anything is said of them."""

    entries: Mapping[str, object]
    """The header without metadata, in its order."""
    body: bytes
    """All bytes behind the header."""

    def header(self, metadata: Mapping[str, str]) -> bytes:
        """Length and JSON, as long as the library's own."""
        whole = {"__metadata__": dict(sorted(metadata.items())), **self.entries}
        # A file name need not be text; what is not becomes question marks.
        text = json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode(errors="replace")
        text += b" " * (-len(text) % _LENGTH_BYTES)
        return len(text).to_bytes(_LENGTH_BYTES, "little") + text

    def content(self, metadata: Mapping[str, str]) -> bytes:
        """The whole file."""
        return self.header(metadata) + self.body

    def hashes(self, metadata: Mapping[str, str]) -> dict[str, str]:
        """`sshs_model_hash` and `sshs_legacy_hash` of a file with this metadata.

        The first is of all bytes behind the header. The second is of 64 KiB at 1 MiB of the file as it would be
        with its ss_ metadata alone: it depends on the header's length, and for short files it is that of nothing.
        """
        bare = self.header({key: value for key, value in metadata.items() if key.startswith("ss_")})
        start, end = _LEGACY_START, _LEGACY_START + _LEGACY_BYTES
        legacy = bare[start:end] + self.body[max(0, start - len(bare)) : max(0, end - len(bare))]
        return {
            "sshs_model_hash": hashlib.sha256(self.body).hexdigest(),
            "sshs_legacy_hash": hashlib.sha256(legacy).hexdigest()[:8],
        }


def pack(tensors: Mapping[str, torch.Tensor], dtype: torch.dtype) -> Packed:
    """The tensors in this precision. Raises WriteError where a number does not fit it."""
    content = safetensors.torch.save({name: _cast(name, tensor, dtype=dtype) for name, tensor in tensors.items()})
    length = int.from_bytes(content[:_LENGTH_BYTES], "little")
    end = _LENGTH_BYTES + length
    return Packed(json.loads(content[_LENGTH_BYTES:end]), content[end:])


def _cast(name: str, tensor: torch.Tensor, *, dtype: torch.dtype) -> torch.Tensor:
    # A copy of its own: the library refuses tensors that share memory.
    cast = tensor.detach().to("cpu", dtype, copy=True).contiguous()
    if not torch.isfinite(cast).all() and torch.isfinite(tensor).all():
        raise WriteError(
            f"{name}: {float(tensor.abs().max()):g} is too large for {str(dtype).removeprefix('torch.')}",
            hint='set output.dtype = "bf16" or "fp32"',
        )
    return cast


def read(path: Path) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """The file's tensors by its own keys, and its metadata. Raises LoraFileError."""
    if not path.is_file():
        raise LoraFileError(f"{path}: there is no such file", hint="bake first, or correct the path")
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a mapping
            return tensors, file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise LoraFileError(f"{path}: is not a safetensors file ({error})", hint="download or bake it again") from None
