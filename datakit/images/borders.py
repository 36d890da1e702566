"""Where the bars at an image's sides end: lines of one colour, or with nothing in them, around what is shown."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from datakit.images.picture import Box, Picture

Lines = npt.NDArray[np.uint8]
"""[lines, across, RGB or RGBA]."""
_SOFT_LINES: Final = 8
"""Lines that the end of a bar may take: JPEG's blocks are 8 px wide."""


def inner_box(picture: Picture, *, tolerance: int, min_edge: float) -> Box:
    """What is inside of all bars; the whole picture where there are none, or nothing else.

    Args:
        picture: In sRGB and upright.
        tolerance: Levels by which the pixels of a bar may differ from its colour.
        min_edge: Share of a line behind a bar that must differ from it. A plain background, before which a figure
            stands, ends with a few pixels of a line and is no bar. Transparent bars may end with any.
    """
    width, height = picture.size_px
    x, y, right, bottom = _clear_sides(picture)
    pixels = np.asarray(picture.colours)[y : height - bottom, x : width - right]
    if picture.alpha is not None and np.asarray(picture.alpha)[y : height - bottom, x : width - right].min() < 255:
        return x, y, width - x - right, height - y - bottom  # its sides are no bars of one colour
    # Rows first: bars above and below would stop a look along the columns, and the other way round, so both again.
    for _ in range(2):
        top, under = _bars(pixels, tolerance, min_edge)
        pixels = pixels[top : len(pixels) - under]
        across = pixels.transpose(1, 0, 2)
        left, beside = _bars(across, tolerance, min_edge)
        pixels = pixels[:, left : len(across) - beside]
        x, y, right, bottom = x + left, y + top, right + beside, bottom + under
    return x, y, width - x - right, height - y - bottom


def _clear_sides(picture: Picture) -> tuple[int, int, int, int]:
    """Widths of what is transparent altogether: left, top, right, bottom; none where nothing is seen."""
    box = picture.alpha.getbbox() if picture.alpha is not None else None
    if box is None:
        return 0, 0, 0, 0
    width, height = picture.size_px
    return box[0], box[1], width - box[2], height - box[3]


def _bars(lines: Lines, tolerance: int, min_edge: float) -> tuple[int, int]:
    """How many lines at the beginning and at the end are bars; none where they meet, as in a picture of two halves."""
    first, last = _bar(lines, tolerance, min_edge), _bar(lines[::-1], tolerance, min_edge)
    return (first, last) if first + last < len(lines) else (0, 0)


def _bar(lines: Lines, tolerance: int, min_edge: float) -> int:
    """How many lines from the first on are a bar."""
    number = len(lines)
    colour = np.median(lines[0], axis=0).astype(np.int16)
    width = 0
    while width < number and not _differing(lines[width], colour, tolerance).any():
        width += 1
    if width in (0, number):
        return 0
    for levels in (3 * tolerance, tolerance):  # ringing before a bright edge is still the bar's
        for at in range(width, min(width + _SOFT_LINES, number)):
            if _differing(lines[at], colour, levels).mean() >= min_edge:
                before = lines[max(0, at - _SOFT_LINES)].astype(np.int16)  # a gradient leaves its colour without a step
                return at if _differing(lines[at], before, tolerance).mean() >= min_edge else 0
    return 0


def _differing(line: Lines, colour: npt.NDArray[np.int16], tolerance: int) -> npt.NDArray[np.bool_]:
    """Which pixels of a line are not of the colour, or not of another line's."""
    found: npt.NDArray[np.bool_] = (np.abs(line - colour) > tolerance).any(axis=1)
    return found
