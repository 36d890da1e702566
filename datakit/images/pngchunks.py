"""Chunks of PNG files: which of them unpack to more than is good, and the file without those."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

TEXT_BYTES: Final = 8 << 20
"""What one compressed chunk may unpack to: the largest profiles and workflows of generated images are smaller."""
ALL_TEXT_BYTES: Final = 64 << 20
_SIGNATURE_BYTES: Final = 8
_HEAD: Final = struct.Struct(">I4s")
_FRAME_BYTES: Final = 12
"""Length, name and checksum."""
_TEXTS: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})


class _Chunk(NamedTuple):
    name: bytes
    start: int
    """Of its length field."""
    data: int
    """Where its data begin."""
    end: int


def without_long_texts(file: bytes) -> bytes | None:
    """A PNG file without the texts and the colour profile that are too long; None where all are short enough.

    Format: PNG (third edition), 11.3.2.3 iCCP, 11.3.3 texts.
    """
    kept: list[bytes] = [file[:_SIGNATURE_BYTES]]
    left = ALL_TEXT_BYTES
    is_shorter = False
    for chunk in _chunks(file):
        length = _unpacked_bytes(chunk.name, file[chunk.data : chunk.end - 4]) if chunk.name in _TEXTS else 0
        if length > min(TEXT_BYTES, left):
            is_shorter = True
        else:
            left -= length
            kept.append(file[chunk.start : chunk.end])
    return b"".join(kept) if is_shorter else None


def _chunks(file: bytes) -> Iterator[_Chunk]:
    """In order, as far as the file goes."""
    at = _SIGNATURE_BYTES
    while at + _HEAD.size <= len(file):
        length, name = _HEAD.unpack_from(file, at)
        yield _Chunk(name, at, at + _HEAD.size, at + _FRAME_BYTES + length)
        at += _FRAME_BYTES + length


def _unpacked_bytes(name: bytes, data: bytes) -> int:
    """Length of a text or a profile; TEXT_BYTES + 1 for a longer compressed one, which is not unpacked further."""
    rest = data.partition(b"\0")[2]
    if name == b"tEXt":
        return len(rest)
    if name == b"iTXt":
        is_packed, rest = rest[:1] == b"\1", rest[2:]
        text = rest.split(b"\0", 2)[-1]
        return _inflated_bytes(text) if is_packed else len(text)
    return _inflated_bytes(rest[1:])


def _inflated_bytes(data: bytes) -> int:
    try:
        return len(zlib.decompressobj().decompress(data, TEXT_BYTES + 1))
    except zlib.error:
        return 0
