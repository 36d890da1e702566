"""How sharp the sharpest edges are.

The variance of the Laplacian, which is the usual measure, grows with the number of edges and with their contrast: a
clean drawing of flat colours has little of it, a blurred photo of grass much. Here an edge is measured by its slope
against its own height: a step that takes one pixel is 1, one that takes four pixels 1/4, whatever the contrast. The
answer is that of the best edges, so a blurred background or large flat areas change nothing.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from datakit.images.measures.sampling import Pixels

_WINDOW: Final = 8
"""Steps over which an edge's height is taken: from the lightest to the darkest."""
_AREA_PX: Final = 1024 * 1024
"""Larger images are measured as they look at this area, which is what a trainer makes of them."""
_LEAST_HEIGHT: Final = 16
"""Levels; noise and JPEG blocks are lower."""
_OF_HIGHEST: Final = 0.4
_HIGHEST: Final = 0.995
_BEST: Final = 0.9
_LEAST_EDGES: Final = 32
_MOST_EDGES: Final = 4096


def sharpness(rows: Pixels, columns: Pixels, size_px: tuple[int, int]) -> float | None:
    """1/8 (blurred) to 1 (steps of one pixel), of grey lines [lines, along]; None where there are no edges.

    About 0.4 / sigma for a step under a Gaussian blur of sigma pixels.
    """
    step = max(1, round(math.sqrt(size_px[0] * size_px[1] / _AREA_PX)))
    pairs = [_edges(grey, step) for grey in (rows, columns) if grey.shape[1] > _WINDOW * step]
    if not pairs:
        return None
    heights, slopes = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
    if heights.size < _LEAST_EDGES:
        return None
    chosen = heights >= max(_LEAST_HEIGHT, _OF_HIGHEST * _quantile(heights, _HIGHEST))
    if np.count_nonzero(chosen) < _LEAST_EDGES:
        return None
    return _quantile(slopes[chosen] / heights[chosen].astype(np.float32), _BEST)


def _edges(grey: Pixels, step: int) -> tuple[Pixels, Pixels]:
    """Height of every window that has one and its steepest step in the middle, and that step."""
    heights = _running(np.maximum, grey, (1, 2, 4, 1), step) - _running(np.minimum, grey, (1, 2, 4, 1), step)
    here, there = grey[:, :-step], grey[:, step:]
    steps = np.maximum(here, there) - np.minimum(here, there)  # unlike a difference, it stays in one byte
    steepest = _running(np.maximum, steps, (1, 2, 4), step)
    middle = np.maximum(steps[:, 3 * step : -4 * step], steps[:, 4 * step : -3 * step])
    chosen = np.flatnonzero((heights >= _LEAST_HEIGHT) & (steepest == middle))
    chosen = chosen[:: max(1, len(chosen) // _MOST_EDGES)]
    return heights.ravel()[chosen], steepest.ravel()[chosen]


def _running(extreme: np.ufunc, values: Pixels, widths: tuple[int, ...], step: int) -> Pixels:
    """The extreme of 1 + sum(widths) values that follow one another."""
    for width in widths:
        values = extreme(values[:, : -width * step], values[:, width * step :])
    return values


def _quantile(values: npt.NDArray[np.generic], at: float) -> float:
    place = int(at * (values.size - 1))
    return float(np.partition(values, place)[place])
