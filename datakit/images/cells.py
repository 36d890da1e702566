"""How alike two images are where it counts: their brightness in a few large cells.

Hashes of simple pictures are near by chance: of a flag's stripes, a dot, an icon on white few bits tell anything. The
cells are correlated, whatever brightness and contrast do to all of them, and an eighth of the cells may be whatever it
is: a watermark's box covers no more.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

COLUMNS: Final = 9
ROWS: Final = 8
NUM_CELLS: Final = COLUMNS * ROWS
Cells = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_LEFT_OUT: Final = NUM_CELLS // 8
_ROUNDS: Final = 3
"""How often the cells that fit worst are chosen anew."""
_LEAST_SPREAD: Final = 1.0
"""Levels (standard deviation) that cells must vary by for a correlation to say anything."""
_AT_ONCE: Final = 4096


def mirrored(cells: Cells) -> Cells:
    """Those of the mirrored images; all are [images, cells], row by row."""
    found: Cells = cells.reshape(-1, ROWS, COLUMNS)[:, :, ::-1].reshape(-1, NUM_CELLS)
    return found


def likeness(left: Cells, right: Cells) -> Floats:
    """Correlation of each pair of images without the cells that fit worst, -1 to 1; 1 where nothing can be said."""
    parts = [np.empty(0, np.float32)]
    for at in range(0, len(left), _AT_ONCE):
        one, other = (side[at : at + _AT_ONCE].astype(np.float32) for side in (left, right))
        parts.append(np.maximum(_trimmed(one, other), _trimmed(other, one)))
    found: Floats = np.concatenate(parts)
    return found


def _trimmed(left: Floats, right: Floats) -> Floats:
    """Correlation where the line from left to right fits best; of all cells where too little would be left of them."""
    weights = np.ones_like(left)
    found, residues = _fit(left, right, weights)
    whole = np.where(np.isnan(found), np.float32(1), found)
    for _ in range(_ROUNDS):
        worst = np.partition(residues, -_LEFT_OUT - 1, axis=1)[:, -_LEFT_OUT - 1, None]
        weights = (residues <= worst).astype(np.float32)
        found, residues = _fit(left, right, weights)
    trimmed: Floats = np.where(np.isnan(found), whole, found)
    return trimmed


def _fit(left: Floats, right: Floats, weights: Floats) -> tuple[Floats, Floats]:
    """(correlation, NaN where a side hardly varies; how far each cell lies from the line)."""
    number = weights.sum(axis=1, keepdims=True)
    x = left - (left * weights).sum(axis=1, keepdims=True) / number
    y = right - (right * weights).sum(axis=1, keepdims=True) / number
    weighted = x * weights
    xx, xy, yy = (weighted * x).sum(axis=1), (weighted * y).sum(axis=1), (y * y * weights).sum(axis=1)
    tells = np.minimum(xx, yy) >= _LEAST_SPREAD**2 * number[:, 0]
    slope = np.where(tells, xy / np.maximum(xx, 1), np.float32(0))
    correlation = np.where(tells, xy / np.sqrt(np.maximum(xx * yy, 1)), np.float32(np.nan))
    return correlation, np.abs(y - slope[:, None] * x)
