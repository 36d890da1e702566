"""The size of a JPEG XL image, read from its header: the decoder that Pillow may have decodes it all at once.

Format: ISO/IEC 18181-1 (codestream, SizeHeader) and 18181-2 (boxes).
"""

from __future__ import annotations

import struct
from typing import IO, Final

from datakit.errors import InputError

_CODESTREAM: Final = b"\xff\x0a"
_RATIOS: Final = {1: (1, 1), 2: (12, 10), 3: (4, 3), 4: (3, 2), 5: (16, 9), 6: (5, 4), 7: (2, 1)}
_LENGTH_BITS: Final = (9, 13, 18, 30)
_SIZE_BYTES: Final = 12
"""More than the longest SizeHeader takes."""
_MOST_BOXES: Final = 64
"""Boxes that may stand before the codestream."""


def jxl_size(file: IO[bytes]) -> tuple[int, int]:
    """(width, height) as stored, before any rotation; the file is read from its beginning.

    Raises:
        InputError: no codestream begins in it.
    """
    file.seek(0)
    start = file.read(2)
    if start != _CODESTREAM:
        start = _find_codestream(file)
    if start != _CODESTREAM:
        raise InputError("truncated or damaged jxl header")
    bits = _Bits(file.read(_SIZE_BYTES))
    is_small = bits.take(1)
    height = _length(bits, is_small=bool(is_small))
    ratio = bits.take(3)
    if ratio:
        wide, high = _RATIOS[ratio]
        return height * wide // high, height
    return _length(bits, is_small=bool(is_small)), height


def _length(bits: _Bits, *, is_small: bool) -> int:
    if is_small:
        return 8 * (bits.take(5) + 1)
    return bits.take(_LENGTH_BITS[bits.take(2)]) + 1


def _find_codestream(file: IO[bytes]) -> bytes:
    """The first two bytes of the codestream in its box; b'' where there is none. The file stands behind them."""
    at = 0
    for _ in range(_MOST_BOXES):
        file.seek(at)
        head = file.read(8)
        if len(head) < 8:
            break
        length, name = struct.unpack(">I4s", head)
        if length == 1:
            (length,) = struct.unpack(">Q", file.read(8).rjust(8, b"\0"))
        if name == b"jxlp":
            file.read(4)  # the part's number
        if name in (b"jxlc", b"jxlp"):
            return file.read(2)
        if length < 8:
            break
        at += length
    return b""


class _Bits:
    """Numbers out of bytes, the lowest bit first; behind the end there are zeros."""

    def __init__(self, data: bytes) -> None:
        self._left = int.from_bytes(data, "little")

    def take(self, number: int) -> int:
        """The next bits."""
        value = self._left & ((1 << number) - 1)
        self._left >>= number
        return value
