"""Large .safetensors files: written and read one tensor at a time.

The format (huggingface/safetensors): eight bytes, little end first, that count the header's bytes; the header, JSON
of each tensor's type, shape and place behind it; the numbers, without gaps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from trainer.atomic import write_pieces
from trainer.errors import BaseModelError, WriteError

_TYPES = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


@dataclass(frozen=True)
class Outgoing:
    """A tensor of the file that is to be."""

    pieces: tuple[torch.Tensor, ...]
    """Put together along their first axis; of any floating type, on any device."""
    shape: tuple[int, ...]
    turned: bool = False
    """The one piece is written with its two axes swapped."""


def outgoing(*pieces: torch.Tensor) -> Outgoing:
    """The pieces as they are."""
    rows = sum(piece.shape[0] for piece in pieces) if pieces[0].dim() else 0
    return Outgoing(pieces, (rows, *pieces[0].shape[1:]) if pieces[0].dim() else ())


def write_tensors(
    path: Path, tensors: Mapping[str, Outgoing], *, dtype: torch.dtype, metadata: Mapping[str, str]
) -> None:
    """Writes the file, whole or not at all; beside the tensors only one piece is ever in memory. Raises WriteError."""
    names = sorted(tensors)
    header: dict[str, Any] = {"__metadata__": {"format": "pt", **metadata}}
    end = 0
    for name in names:
        start, end = end, end + torch.Size(tensors[name].shape).numel() * dtype.itemsize
        header[name] = {"dtype": _TYPES[dtype], "shape": list(tensors[name].shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)

    def pieces() -> Iterator[bytes | memoryview]:
        yield len(text).to_bytes(8, "little") + text
        for name in names:
            for piece in tensors[name].pieces:
                yield _bytes_of(piece.T if tensors[name].turned else piece, name, dtype=dtype, path=path)

    write_pieces(path, pieces())


def _bytes_of(tensor: torch.Tensor, name: str, *, dtype: torch.dtype, path: Path) -> memoryview:
    numbers = tensor.detach().to("cpu", dtype).contiguous()
    if not bool(torch.isfinite(numbers).all()):
        kind = _TYPES[dtype].lower().replace("f", "fp", 1) if dtype != torch.bfloat16 else "bf16"
        raise WriteError(
            f"{path}: {name} holds numbers that {kind} cannot", hint="choose output.dtype bf16 or fp32, or look for NaN"
        )
    return numbers.flatten().view(torch.uint8).numpy().data


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The file, mapped into memory: keys(), get_tensor(key), get_slice(key). Raises BaseModelError, within as well."""
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            yield file
    except (OSError, SafetensorError) as error:
        raise BaseModelError(f"{path}: cannot be read ({error})", hint="copy the base model again") from None
