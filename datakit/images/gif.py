"""How long each frame of a gif is shown, without decoding any (GIF89a specification, sections 20 to 23)."""

from __future__ import annotations

from typing import Final

_EXTENSION: Final = 0x21
_GRAPHIC_CONTROL: Final = 0xF9
_IMAGE: Final = 0x2C
_HAS_TABLE: Final = 0x80
_SHORTEST_S: Final = 0.02
_INSTEAD_S: Final = 0.1
"""What browsers show a frame whose delay is shorter."""
_MAX_FRAMES: Final = 100_000


def gif_delays(data: bytes) -> list[float]:
    """Seconds of each frame; of a damaged file those that were found, none for what is no gif."""
    delays: list[float] = []
    if len(data) < 13:
        return delays
    at = 13 + _table_bytes(data[10])
    delay_s = _INSTEAD_S
    while at + 10 <= len(data) and len(delays) < _MAX_FRAMES:
        if data[at] == _EXTENSION:
            if data[at + 1] == _GRAPHIC_CONTROL:
                told_s = int.from_bytes(data[at + 4 : at + 6], "little") / 100
                delay_s = told_s if told_s >= _SHORTEST_S else _INSTEAD_S
            at = _skip_blocks(data, at + 2)
        elif data[at] == _IMAGE:
            delays.append(delay_s)
            delay_s = _INSTEAD_S
            at = _skip_blocks(data, at + 11 + _table_bytes(data[at + 9]))
        else:
            break
    return delays


def _table_bytes(flags: int) -> int:
    """Size of the colour table that a descriptor announces."""
    return 3 << ((flags & 7) + 1) if flags & _HAS_TABLE else 0


def _skip_blocks(data: bytes, at: int) -> int:
    """Where a chain of sub-blocks ends."""
    while at < len(data) and data[at]:
        at += data[at] + 1
    return at + 1
