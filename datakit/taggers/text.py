"""Reading what is written in an image: text, signatures, watermarks. By RapidOCR, an optional dependency.

RapidOCR brings its models along (PP-OCR small, Chinese, Japanese and Latin letters) and needs no network; its opencv is
the one without windows, so it runs on servers. It takes 0.3 to 1 s an image on two cores and half a gigabyte of memory.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from threading import Lock
from typing import Any, Final

import msgspec
from PIL import Image

from datakit.errors import StateError
from datakit.images.convert import to_srgb_rgb
from datakit.model.stage import Look

READ: Final = Look(name="text", key="text:1")
"""Facts: `lines`, each as `Line` has it; or `unreadable`."""
_WHITE: Final = (255, 255, 255)
_LEAST_SCORE: Final = 0.5
"""What is read with less confidence is no text."""
_READING: Final = Lock()
"""The reader works on all cores by itself, and keeps notes while it does."""


class Line(msgspec.Struct, frozen=True, array_like=True):
    """A line of text in an image."""

    text: str
    score: float
    """How sure the reader is, 0 to 1."""
    share: float
    """Of the image's area that it covers, 0 to 1."""
    centre: tuple[float, float]
    """(x, y) of the middle as parts of the upright image's width and height, from its upper left corner."""


def see(image: Image.Image, data: bytes = b"") -> dict[str, Any]:
    """The lines that are written in a decoded image, which stays as it is.

    Raises:
        UnreadableImage: its pixels cannot be had.
        StateError: RapidOCR is not installed.
    """
    import numpy as np

    del data
    reader = _reader()
    pixels = np.asarray(to_srgb_rgb(image, background=_WHITE))
    with _READING:
        found = reader(np.ascontiguousarray(pixels[:, :, ::-1]))
    if found.boxes is None or found.txts is None or found.scores is None:
        return {"lines": []}
    rows = zip(found.txts, found.scores, found.boxes, strict=True)
    height, width = pixels.shape[:2]
    lines = [_line(text, score, [(x / width, y / height) for x, y in box]) for text, score, box in rows]
    return {"lines": [msgspec.to_builtins(line) for line in lines if line.score >= _LEAST_SCORE]}


def lines_of(facts: Mapping[str, Any]) -> tuple[Line, ...]:
    """The lines of a look's facts."""
    return msgspec.convert(facts["lines"], tuple[Line, ...])


def _line(text: str, score: float, corners: Sequence[tuple[float, float]]) -> Line:
    """`corners`: of its box, one after the other around it, as parts of the image's sides."""
    following = [*corners[1:], corners[0]]
    twice = sum(x * below - right * y for (x, y), (right, below) in zip(corners, following, strict=True))
    centre = (sum(x for x, _ in corners) / len(corners), sum(y for _, y in corners) / len(corners))
    return Line(
        text=text,
        score=round(float(score), 4),
        share=round(abs(float(twice)) / 2, 5),
        centre=(round(float(centre[0]), 3), round(float(centre[1]), 3)),
    )


def _reader() -> Any:
    with _READING:
        return _load()


@cache
def _load() -> Any:
    try:
        from rapidocr import RapidOCR
    except ImportError as error:
        raise StateError(
            f"reading text in images needs {error.name}, which is not installed",
            hint="pip install 'dsk[ocr]', or leave the rule 'text' off",
        ) from error
    return RapidOCR(params={"Global.log_level": "critical"})
