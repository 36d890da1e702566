"""The quality that a JPEG was saved with, from its quantisation tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

_LUMINANCE: Final = (
    *(16, 11, 10, 16, 24, 40, 51, 61, 12, 12, 14, 19, 26, 58, 60, 55),
    *(14, 13, 16, 24, 40, 57, 69, 56, 14, 17, 22, 29, 51, 87, 80, 62),
    *(18, 22, 37, 56, 68, 109, 103, 77, 24, 35, 55, 64, 81, 104, 113, 92),
    *(49, 64, 78, 87, 103, 121, 120, 101, 72, 92, 95, 98, 112, 100, 103, 99),
)
"""Table K.1 of the JPEG standard (ITU-T T.81), which libjpeg scales; in natural order."""


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int | None:
    """1 to 100 on libjpeg's scale, the nearest for tables of other programs; None where there are none."""
    table = tables.get(0)
    if table is None or len(table) != len(_LUMINANCE):
        return None
    total = sum(table)
    return min(range(1, 101), key=lambda quality: (abs(_totals()[quality - 1] - total), -quality))


@cache
def _totals() -> tuple[int, ...]:
    """Sum of the luminance table at each quality from 1 to 100."""
    return tuple(sum(_scaled(quality)) for quality in range(1, 101))


def _scaled(quality: int) -> list[int]:
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    return [min(255, max(1, (value * scale + 50) // 100)) for value in _LUMINANCE]
