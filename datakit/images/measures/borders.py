"""Bars at the sides of an image: lines of one colour that end all at once, as letterboxing makes them.

A plain background is no bar: what stands before it begins with a few pixels of a line, and not with all of them. Nor is
a gradient, which leaves its first colour without a step, nor half of a picture of two plain halves.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from datakit.images.measures.sampling import Pixels

Sides = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""
_TOLERANCE: Final = 12
"""Levels by which pixels of a bar may differ: JPEG's noise."""
_SOFT_PX: Final = 4
"""Lines that a bar's end may take: an enlarged or compressed one is no sharp step."""
_STEP_PX: Final = 8
"""Lines within which a bar becomes content; a gradient takes more to change by the tolerance."""
_FIRST_BLOCK: Final = 16
_LARGEST_BLOCK: Final = 512
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
    (first, last), (upper, lower) = _both(across), _both(down)
    stored = (first, upper, last, lower)
    left, top, right, bottom = (stored[side] for side in _TURNS[orientation])
    return left, top, right, bottom


def _both(lines: Pixels) -> tuple[int, int]:
    """How many lines at the beginning and at the end are bars; none where they meet."""
    first, last = _bar(lines), _bar(lines[::-1])
    return (first, last) if first + last < len(lines) else (0, 0)


def _bar(lines: Pixels) -> int:
    """How many lines [number, across, RGB] from the first on are a bar."""
    first = lines[0]
    if (first.max(axis=0) - first.min(axis=0) > 2 * _TOLERANCE).any():
        return 0
    colour = np.median(first, axis=0).astype(np.int16)
    low, high = (np.clip(colour + reach, 0, 255).astype(np.uint8) for reach in (-_TOLERANCE, _TOLERANCE))
    width = _first_other(lines, low, high)
    if width in (0, len(lines)):
        return 0
    edge = lines[width : width + _SOFT_PX]
    shares = ((edge < low) | (edge > high)).any(axis=2).mean(axis=1)
    at = width + int(shares.argmax())
    if shares.max() < _FULL:
        return 0
    before = lines[max(0, at - _STEP_PX)].astype(np.int16)
    step = (np.abs(lines[at] - before) > _TOLERANCE).any(axis=1).mean()
    return width if step >= _FULL else 0


def _first_other(lines: Pixels, low: Pixels, high: Pixels) -> int:
    """Number of the first line with a pixel out of bounds; the number of lines where none has one.

    By blocks that grow: a few lines where a bar is thin, few calls where all of the image is of one colour.
    """
    at, size = 0, _FIRST_BLOCK
    while at < len(lines):
        block = lines[at : at + size]
        differs = ((block.min(axis=1) < low) | (block.max(axis=1) > high)).any(axis=1)
        if differs.any():
            return at + int(differs.argmax())
        at, size = at + size, min(2 * size, _LARGEST_BLOCK)
    return len(lines)
