"""Whether a file that cannot be decoded was cut short, as a download that broke off."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

_DAMAGED: Final = re.compile(r"truncated or damaged (\w+)")
"""How `decode` begins its reason where the bytes are of an image, and wrong."""
_ENDS: Final = {"jpeg": b"\xff\xd9", "png": b"IEND", "gif": b"\x3b"}
"""Format → what stands at the end of a whole file."""
_TAIL_BYTES: Final = 64
"""Some programs write a little behind the end."""
_RIFF_HEAD: Final = 8


def is_cut_short(reason: str, read: Callable[[], bytes]) -> bool:
    """Of a file that cannot be decoded for this reason: whether its end is missing. It is read only where the reason
    leaves that open."""
    damaged = _DAMAGED.match(reason)
    if damaged is None:
        return False
    data = read()
    kind = "jpeg" if damaged[1] == "mpo" else damaged[1]
    if kind == "webp":
        return int.from_bytes(data[4:8], "little") + _RIFF_HEAD > len(data)
    end = _ENDS.get(kind)
    if end is None:
        return "truncated" in reason[damaged.end() :].lower()
    return end not in data[-_TAIL_BYTES:]
