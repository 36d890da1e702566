"""Chunks of PNG files: which of them unpack to more than is good, and the file without those."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final, NamedTuple

PLAIN_TEXT_BYTES: Final = 1 << 20
"""What Pillow lets one unpack to that nobody told otherwise, as in trainers; it refuses a file with a longer one."""
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


def without_long_texts(file: bytes, most_bytes: int = TEXT_BYTES) -> bytes | None:
    """A PNG file without the texts and the colour profile that are too long; None where all are short enough.

    Compressed ones may unpack to `most_bytes` each, and all texts together to ALL_TEXT_BYTES.
    Format: PNG (third edition), 11.3.2.3 iCCP, 11.3.3 texts.
    """
    kept: list[bytes] = [file[:_SIGNATURE_BYTES]]
    left = ALL_TEXT_BYTES
    is_shorter = False
    for chunk in _chunks(file):
        length, is_packed = 0, False
        if chunk.name in _TEXTS:
            length, is_packed = _unpacked_bytes(chunk.name, file[chunk.data : chunk.end - 4], most_bytes)
        if length > left or (is_packed and length > most_bytes):
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


def _unpacked_bytes(name: bytes, data: bytes, most_bytes: int) -> tuple[int, bool]:
    """Length of a text or a profile, and whether it is compressed: it is not unpacked further than its limit + 1."""
    rest = data.partition(b"\0")[2]
    if name == b"tEXt":
        return len(rest), False
    if name == b"iTXt":
        is_packed, rest = rest[:1] == b"\1", rest[2:]
        text = rest.split(b"\0", 2)[-1]
        return (_inflated_bytes(text, most_bytes) if is_packed else len(text)), is_packed
    return _inflated_bytes(rest[1:], most_bytes), True


def _inflated_bytes(data: bytes, most_bytes: int) -> int:
    try:
        return len(zlib.decompressobj().decompress(data, most_bytes + 1))
    except zlib.error:
        return 0
