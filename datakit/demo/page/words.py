"""Numbers and names as people read them."""

from __future__ import annotations

import re
from typing import Final

_LONG_HEX: Final = re.compile(r"[0-9a-f]{16,}")
_KEPT: Final = 4
_MINUTE_S: Final = 60


def short(name: str) -> str:
    """A name whose hashes are cut to four digits."""
    return _LONG_HEX.sub(lambda found: found[0][:_KEPT] + "…", name)


def count(number: int, noun: str, plural: str = "") -> str:
    """`1 image`, `22 images`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def percent(share: float) -> str:
    """`83 %`, with a thin space."""
    return f"{share * 100:.0f}\u2009%"


def duration(seconds: float) -> str:
    """`2 min 05 s`; tenths below ten seconds."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), _MINUTE_S)
    return f"{minutes} min {rest:02} s" if minutes else f"{rest} s"


def figure(value: float) -> str:
    """Three significant digits, without an exponent where that is readable."""
    return f"{value:.3g}"
