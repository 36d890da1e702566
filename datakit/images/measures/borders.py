"""Bars at the sides of an image: lines of one colour that end all at once, as letterboxing makes them.

A plain background is no bar: what stands before it begins with a few pixels of a line, and not with all of them.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from datakit.images.measures.sampling import Pixels

Sides = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""
_TOLERANCE: Final = 12
"""Levels by which pixels of a bar may differ: JPEG's noise."""
_SOFT_PX: Final = 4
"""Lines that a bar's end may take: an enlarged or compressed one is no sharp step."""
_FULL: Final = 0.6
"""Share of the first line of content that must differ from the bar."""
_TURNS: Final[dict[int, tuple[int, int, int, int]]] = {
    1: (0, 1, 2, 3),
    2: (2, 1, 0, 3),
    3: (2, 3, 0, 1),
    4: (0, 3, 2, 1),
    5: (1, 0, 3, 2),
    6: (3, 0, 1, 2),
    7: (3, 2, 1, 0),
    8: (1, 2, 3, 0),
}
"""EXIF orientation → which stored side is seen left, at the top, right, at the bottom (Exif 2.32, tag 0x0112)."""


def bars(rows: Pixels, columns: Pixels, orientation: int) -> Sides:
    """Widths of the bars of the upright image, from its stored lines; 0 where a side has none."""
    down = columns.transpose(1, 0, 2)
    across = rows.transpose(1, 0, 2)
    stored = (_bar(across), _bar(down), _bar(across[::-1]), _bar(down[::-1]))
    left, top, right, bottom = (stored[side] for side in _TURNS[orientation])
    return left, top, right, bottom


def _bar(lines: Pixels) -> int:
    """How many lines [number, across, RGB] from the first on are a bar."""
    first = lines[0]
    lightest, darkest = first.max(axis=0).astype(np.int16), first.min(axis=0).astype(np.int16)
    if (lightest - darkest > 2 * _TOLERANCE).any():
        return 0
    colour = np.median(first, axis=0).astype(np.int16)
    number = len(lines)
    width = 0
    while width < number and _differing(lines[width], colour) == 0:
        width += 1
    if width in (0, number):
        return 0
    fullest = max(_differing(lines[at], colour) for at in range(width, min(width + _SOFT_PX, number)))
    return width if fullest >= _FULL else 0


def _differing(line: Pixels, colour: npt.NDArray[np.int16]) -> float:
    """Share of a line's pixels that are not of the colour."""
    return float((np.abs(line - colour) > _TOLERANCE).any(axis=1).mean())
