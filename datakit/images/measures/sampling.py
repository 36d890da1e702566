"""Lines of an image, spread evenly over it: measuring them costs a tenth of measuring all pixels."""

from __future__ import annotations

from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt
from PIL import Image

from datakit.images.convert import alpha_of, to_srgb_rgb

Pixels = npt.NDArray[np.uint8]
_LEAST_LINES: Final = 64
_MOST_APART_PX: Final = 16
_WHITE: Final = (255, 255, 255)
_OPAQUE: Final = 16
_KEPT: Final = ("transparency", "icc_profile")


class Lines(msgspec.Struct, frozen=True):
    """Some of an image's pixels, [lines, along, RGB] in sRGB, on white where transparent; as stored, not as turned."""

    rows: Pixels
    """Whole rows, from top to bottom."""
    columns: Pixels
    """Whole columns, from left to right."""
    visible: npt.NDArray[np.bool_] | None
    """[lines, along] of `rows`: whether a pixel is opaque enough to be seen; None where all are."""


def sample_lines(image: Image.Image) -> Lines:
    """Lines at most 16 px apart of a decoded image, at least 64 of each kind where it has so many."""
    width, height = image.size
    rows, visible = _strip(image, (width, number_of_lines(height)))
    columns, _ = _strip(image, (number_of_lines(width), height), turn=True)
    return Lines(rows, columns, visible)


def number_of_lines(length: int) -> int:
    """How many lines are taken across a side of this length."""
    return -(-length // max(1, min(_MOST_APART_PX, length // _LEAST_LINES)))


def _strip(
    image: Image.Image, size: tuple[int, int], *, turn: bool = False
) -> tuple[Pixels, npt.NDArray[np.bool_] | None]:
    """The image at `size`, each pixel one of its own, and which are seen; `turn` swaps its axes."""
    strip = image.resize(size, Image.Resampling.NEAREST)
    if turn:
        strip = strip.transpose(Image.Transpose.TRANSPOSE)
    strip.info = {name: image.info[name] for name in _KEPT if name in image.info}  # no EXIF: nothing turns it
    alpha = alpha_of(strip)
    visible = None
    if alpha is not None and alpha.getextrema()[0] != 255:
        visible = np.asarray(alpha) >= _OPAQUE
    if strip.mode == "RGB" and not strip.info:
        return np.asarray(strip), None
    return np.asarray(to_srgb_rgb(strip, background=_WHITE)), visible
