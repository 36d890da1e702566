"""Pictures without and with what a bake made, side by side on one sheet."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Sequence
from math import ceil
from pathlib import Path
from typing import Final

import msgspec
from PIL import Image, ImageDraw, ImageFont

COLUMNS: Final = 4
"""Pairs beside each other."""
_PAPER: Final = (250, 249, 246)
_INK: Final = (34, 34, 38)
_FAINT: Final = (112, 110, 106)
_SMALLEST_PX, _LARGEST_PX = 128, 320
_MOST_LETTERS: Final = 300
_MARGIN_PX, _GAP_PX, _TITLE_PX, _LABEL_PX, _LINE_PX = 24, 20, 22, 13, 18


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """A pair and what stands below it."""

    before: Path
    after: Path
    label: str


def sheet(title: str, pairs: Sequence[Picture]) -> bytes:
    """The sheet as PNG; small pictures are enlarged pixel for pixel."""
    opened = [(_opened(pair.before), _opened(pair.after)) for pair in pairs]
    side = max(max(one.size) for pair in opened for one in pair)
    factor = max(1, -(-_SMALLEST_PX // side)) if side < _LARGEST_PX else _LARGEST_PX / side
    cell = round(side * factor)
    width, height = 2 * cell + 2, cell + 3 * _LINE_PX
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    top = 2 * _MARGIN_PX + _TITLE_PX
    size = (2 * _MARGIN_PX + columns * (width + _GAP_PX) - _GAP_PX, top + rows * (height + _GAP_PX) + _MARGIN_PX)
    canvas = Image.new("RGB", size, _PAPER)
    pen = ImageDraw.Draw(canvas)
    _write(pen, (_MARGIN_PX, _MARGIN_PX), title, size_px=_TITLE_PX, width=size[0] - 2 * _MARGIN_PX)
    for number, (pair, images) in enumerate(zip(pairs, opened, strict=True)):
        row, column = divmod(number, columns)
        left, upper = _MARGIN_PX + column * (width + _GAP_PX), top + row * (height + _GAP_PX)
        for place, (image, word) in enumerate(zip(images, ("without", "with"), strict=True)):
            x = left + place * (cell + 2)
            _write(pen, (x, upper), word, width=cell, colour=_FAINT)
            canvas.paste(_scaled(image, factor), (x, upper + _LINE_PX))
        _write(pen, (left, upper + _LINE_PX + cell + 2), pair.label, width=width)
    out = io.BytesIO()
    canvas.save(out, "PNG")
    return out.getvalue()


def _opened(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGB")


def _scaled(image: Image.Image, factor: float) -> Image.Image:
    resample = Image.Resampling.NEAREST if factor >= 1 else Image.Resampling.LANCZOS
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return image if factor == 1 else image.resize(size, resample)


def _write(
    pen: ImageDraw.ImageDraw,
    place: tuple[int, int],
    text: str,
    *,
    width: int,
    size_px: int = _LABEL_PX,
    colour: tuple[int, int, int] = _INK,
) -> None:
    """One line, cut off where it is too long."""
    font = ImageFont.load_default(size_px)
    text = text.replace("\n", " ")[:_MOST_LETTERS]
    if pen.textlength(text, font=font) > width:
        ends = range(len(text))
        fitting = bisect_right(ends, width, key=lambda end: ceil(pen.textlength(f"{text[:end]}…", font=font)))
        text = f"{text[: max(0, fitting - 1)].rstrip(' ,')}…"
    pen.text(place, text, colour, font=font)
