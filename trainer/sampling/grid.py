"""A sheet of pictures: one row per prompt, one column per state of the model, every label legible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

PAPER, INK, FAINT, LINE = (250, 249, 246), (34, 34, 38), (124, 122, 118), (224, 221, 214)
MARGIN_PX, GAP_PX, LABEL_WIDTH_PX, SMALLEST_CELL_PX = 32, 14, 250, 224


@dataclass(frozen=True)
class Sheet:
    """What the sheet shows."""

    title: str
    footer: str
    columns: tuple[str, ...]
    rows: tuple[str, ...]
    pictures: tuple[tuple[Image.Image, ...], ...]
    """By row, then column; all of one size."""


def render(sheet: Sheet) -> Image.Image:
    """Draws the sheet. Small pictures are enlarged by a whole number, pixel for pixel."""
    cell = _cell(sheet.pictures[0][0].size)
    width = 2 * MARGIN_PX + LABEL_WIDTH_PX + len(sheet.columns) * (cell[0] + GAP_PX)
    top = MARGIN_PX + 78
    height = top + len(sheet.rows) * (cell[1] + GAP_PX) + 26 + MARGIN_PX
    canvas = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(canvas)
    pen.text(
        (MARGIN_PX, MARGIN_PX - 6), _shortened(pen, sheet.title, size=24, width=width - 2 * MARGIN_PX), INK, _font(24)
    )
    pen.line((MARGIN_PX, MARGIN_PX + 36, width - MARGIN_PX, MARGIN_PX + 36), LINE, 1)
    left = MARGIN_PX + LABEL_WIDTH_PX + GAP_PX
    for number, name in enumerate(sheet.columns):
        middle = left + number * (cell[0] + GAP_PX) + cell[0] // 2
        pen.text((middle, top - 12), name, INK, _font(17), anchor="ms")
    for row, (label, pictures) in enumerate(zip(sheet.rows, sheet.pictures, strict=True)):
        y = top + row * (cell[1] + GAP_PX)
        _label(pen, label, y=y, height=cell[1])
        for number, picture in enumerate(pictures):
            x = left + number * (cell[0] + GAP_PX)
            canvas.paste(_enlarged(picture, cell), (x, y))
            pen.rectangle((x - 1, y - 1, x + cell[0], y + cell[1]), outline=LINE)
    footer = _shortened(pen, sheet.footer, size=13, width=width - 2 * MARGIN_PX)
    pen.text((MARGIN_PX, height - MARGIN_PX), footer, FAINT, _font(13), anchor="ls")
    return canvas


def png(image: Image.Image, facts: Sequence[tuple[str, str]]) -> bytes:
    """The picture as PNG, with facts as text chunks."""
    info = PngImagePlugin.PngInfo()
    for key, value in facts:
        info.add_text(key, value)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)


def _cell(size: tuple[int, int]) -> tuple[int, int]:
    times = max(1, -(-SMALLEST_CELL_PX // max(size)))
    return size[0] * times, size[1] * times


def _enlarged(picture: Image.Image, cell: tuple[int, int]) -> Image.Image:
    return picture if picture.size == cell else picture.resize(cell, Image.Resampling.NEAREST)


def _label(pen: ImageDraw.ImageDraw, text: str, *, y: int, height: int) -> None:
    lines = _wrapped(pen, text, size=15, width=LABEL_WIDTH_PX - GAP_PX, most=max(1, height // 21))
    start = y + (height - 21 * len(lines)) // 2
    for number, line in enumerate(lines):
        pen.text((MARGIN_PX, start + 21 * number), line, INK, _font(15))


def _wrapped(pen: ImageDraw.ImageDraw, text: str, *, size: int, width: int, most: int) -> list[str]:
    """The text in at most `most` lines, each no wider than `width`; the last one ends in dots where it must."""
    lines: list[str] = []
    line = ""
    for word in text.split() or ["(no words)"]:
        longer = f"{line} {word}".strip()
        if line and pen.textlength(longer, _font(size)) > width:
            lines.append(line)
            line = word
        else:
            line = longer
    lines.append(line)
    if len(lines) > most:
        lines = [*lines[: most - 1], f"{lines[most - 1]} ..."]
    return [_shortened(pen, line, size=size, width=width) for line in lines]


def _shortened(pen: ImageDraw.ImageDraw, text: str, *, size: int, width: int) -> str:
    if pen.textlength(text, _font(size)) <= width:
        return text
    while text and pen.textlength(f"{text}...", _font(size)) > width:
        text = text[:-1]
    return f"{text}..."
