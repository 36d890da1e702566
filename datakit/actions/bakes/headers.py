"""The header of a .safetensors file, read without torch: eight bytes of length, then JSON.

Source: huggingface/safetensors README, "Format".
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.errors import InputError

_LENGTH_BYTES: Final = 8
_MOST_BYTES: Final = 100_000_000
"""As safetensors' own reader has it."""
_METADATA: Final = "__metadata__"


class TensorEntry(msgspec.Struct, frozen=True):
    """One tensor of the file."""

    dtype: str
    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


class Header(msgspec.Struct, frozen=True):
    """What a file says before its numbers."""

    metadata: dict[str, str]
    tensors: dict[str, TensorEntry]
    size_bytes: int
    """Of the whole file."""


def read_header(path: Path) -> Header:
    """Read the header, and nothing else of the file.

    Raises:
        InputError: not readable, or no .safetensors file.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            begin = file.read(_LENGTH_BYTES)
            length = int.from_bytes(begin, "little")
            if len(begin) < _LENGTH_BYTES or not 2 <= length <= size - _LENGTH_BYTES:
                raise _refused(path, _guess(begin, length))
            if length > _MOST_BYTES:
                raise _refused(path, f"its header would be {length:,} bytes long")
            text = file.read(length)
    except IsADirectoryError as error:
        raise InputError(f"{path}: is a folder", hint="name one of the .safetensors files in it") from error
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}", hint="check the path and its permissions") from error
    return _decoded(path, text, size)


def _decoded(path: Path, text: bytes, size: int) -> Header:
    try:
        plain: Any = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _refused(path, f"its header is no JSON: {error}") from error
    if not isinstance(plain, dict):
        raise _refused(path, "its header is no table")
    metadata = plain.pop(_METADATA, {})
    try:
        told = msgspec.convert(metadata or {}, dict[str, str])
        tensors = msgspec.convert(plain, dict[str, TensorEntry])
    except msgspec.ValidationError as error:
        raise _refused(path, f"its header is not as it should be: {error}") from error
    room = size - _LENGTH_BYTES - len(text)
    if any(not 0 <= begin <= end <= room for begin, end in (one.data_offsets for one in tensors.values())):
        raise _refused(path, "it is cut short: tensors end behind the file's end")
    return Header(told, tensors, size)


def _guess(begin: bytes, length: int) -> str:
    """What a file is that is none of these, by its first bytes."""
    if begin.startswith(b"PK"):
        return "it looks like a .ckpt or .pt, which is a program in disguise and is not opened"
    if begin.startswith(b"version "):
        return "it looks like a git-lfs pointer: its content is not here"
    if len(begin) == _LENGTH_BYTES and 2 <= length <= _MOST_BYTES:
        return f"it is cut short: its header is {length:,} bytes long, and not all of it is here"
    return "it has no header" if begin else "it is empty"


def _refused(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: no .safetensors file: {reason}", hint="name a LoRA, a checkpoint or an embedding")
