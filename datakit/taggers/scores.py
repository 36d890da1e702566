"""A tagger's scores of one image as bytes to be remembered: those that can matter, 1 or 2 kB instead of 43.

One byte with the width of an index (2 or 4), the indices as unsigned integers, the scores as float32; little-endian.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

LEAST: Final = 0.02
"""Lower scores are not remembered: no tagger's threshold is anywhere near."""
_INDEX: Final = {2: "<u2", 4: "<u4"}
_SCORE: Final = "<f4"


def pack(scores: Floats) -> bytes:
    """Of one image, a score for each label."""
    kept = np.flatnonzero(scores >= LEAST)
    width = 2 if len(scores) <= 1 << 16 else 4
    return bytes([width]) + kept.astype(_INDEX[width]).tobytes() + scores[kept].astype(_SCORE).tobytes()


def unpack(data: bytes, num_labels: int) -> Floats:
    """The scores of `pack`, 0 for those that were not kept.

    Raises:
        ValueError: these bytes are no scores of so many labels.
    """
    width = data[0] if data else 0
    if width not in _INDEX or (len(data) - 1) % (width + 4):
        raise ValueError("no packed scores")
    number = (len(data) - 1) // (width + 4)
    indices = np.frombuffer(data, _INDEX[width], number, offset=1)
    if number and int(indices.max()) >= num_labels:
        raise ValueError(f"scores of more than {num_labels} labels")
    scores = np.zeros(num_labels, np.float32)
    scores[indices] = np.frombuffer(data, _SCORE, number, offset=1 + number * width)
    return scores
