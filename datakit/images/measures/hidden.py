"""Colours that full transparency hides: what shows where a program drops alpha."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from PIL import Image

from datakit.images.measures.sampling import number_of_lines

_MOST: Final = 65536
"""Pixels that are looked at."""
_SHADES: Final = 16
"""Steps of a channel where colours are counted."""
_MODES: Final = frozenset({"RGBA", "LA", "PA", "P"})
"""Of other modes one colour at most can be transparent."""


def hidden(image: Image.Image) -> dict[str, Any]:
    """Of a decoded image: `hidden_share`, the part of its pixels that are fully transparent and of another colour than
    most of these; `hidden_colours`, how many colours, in cells of 16 levels a channel, they have.
    """
    if image.mode not in _MODES:
        return {"hidden_share": 0.0, "hidden_colours": 0}
    lines = image.resize((image.width, number_of_lines(image.height)), Image.Resampling.NEAREST)
    pixels = np.asarray(lines.convert("RGBA")).reshape(-1, 4)
    pixels = pixels[:: max(1, len(pixels) // _MOST)]
    cells = (pixels[pixels[:, 3] == 0][:, :3] >> 4).astype(np.intp)
    if not len(cells):
        return {"hidden_share": 0.0, "hidden_colours": 0}
    numbers = np.bincount((cells[:, 0] * _SHADES + cells[:, 1]) * _SHADES + cells[:, 2])
    others = len(cells) - int(numbers.max())
    return {"hidden_share": round(others / len(pixels), 4), "hidden_colours": int(np.count_nonzero(numbers))}
