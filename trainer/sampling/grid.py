"""A sheet of pictures: one row per prompt, one column per state of the model, every label legible."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, PngImagePlugin

from trainer.sampling.lettering import shortened, wrapped, write

PAPER, INK, FAINT, LINE = (250, 249, 246), (34, 34, 38), (112, 110, 106), (224, 221, 214)
MARGIN_PX, GAP_PX, LABEL_WIDTH_PX, SMALLEST_CELL_PX = 32, 14, 250, 224
_TITLE, _NAME, _PROMPT, _NOTE = 24, 17, 15, 13
_USUAL_WIDTH_PX, _LARGEST_SCALE = 1600, 2.5
_HEAD_PX, _LINE_PX, _NOTE_LINE_PX, _NOTE_GAP_PX, _FOOT_PX = 78, 21, 18, 4, 26


@dataclass(frozen=True)
class Row:
    """What stands at the left of a prompt's pictures."""

    label: str
    notes: tuple[str, ...] = ()
    """What is special about it, smaller, below."""


@dataclass(frozen=True)
class Sheet:
    """What the sheet shows."""

    title: str
    footer: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    pictures: tuple[tuple[Image.Image, ...], ...]
    """By row, then column; all of a row are of one size."""
    largest_px: int = 0
    """Pictures with a longer side are made smaller; 0: none are."""


@dataclass(frozen=True)
class _Layout:
    """Where everything lies, in pixels."""

    cells: tuple[tuple[int, int], ...]
    """Width and height of the pictures of each row."""
    num_columns: int

    @property
    def column(self) -> int:
        """Width of a column."""
        return max(width for width, _ in self.cells)

    @property
    def scale(self) -> float:
        """How much larger than usual letters and margins are: wide sheets are looked at from afar."""
        width = 2 * MARGIN_PX + LABEL_WIDTH_PX + self.num_columns * (self.column + GAP_PX)
        return min(max(width / _USUAL_WIDTH_PX, 1.0), _LARGEST_SCALE)

    def px(self, length: int) -> int:
        """A length or a size of letters, on this sheet."""
        return round(length * self.scale)

    @property
    def left(self) -> int:
        """Where the first column begins."""
        return self.px(MARGIN_PX + LABEL_WIDTH_PX + GAP_PX)

    @property
    def size(self) -> tuple[int, int]:
        """Of the sheet."""
        gap = self.px(GAP_PX)
        width = self.left + self.num_columns * (self.column + gap) - gap + self.px(MARGIN_PX)
        return width, self.top(len(self.cells)) + self.px(_FOOT_PX + MARGIN_PX)

    def top(self, row: int) -> int:
        """Where a row begins."""
        return self.px(MARGIN_PX + _HEAD_PX) + sum(height + self.px(GAP_PX) for _, height in self.cells[:row])

    def corner(self, row: int, column: int) -> tuple[int, int]:
        """Of a picture, which lies in the middle of its column."""
        spare = self.column - self.cells[row][0]
        return self.left + column * (self.column + self.px(GAP_PX)) + spare // 2, self.top(row)


def render(sheet: Sheet) -> Image.Image:
    """Draws the sheet. Small pictures are enlarged by a whole number, pixel for pixel."""
    cells = tuple(_cell(pictures[0].size, sheet.largest_px) for pictures in sheet.pictures)
    layout = _Layout(cells, len(sheet.columns))
    canvas = Image.new("RGB", layout.size, PAPER)
    pen = ImageDraw.Draw(canvas)
    _frame(pen, sheet, layout)
    for number, (row, pictures) in enumerate(zip(sheet.rows, sheet.pictures, strict=True)):
        _label(pen, row, layout, number=number)
        for column, picture in enumerate(pictures):
            x, y = layout.corner(number, column)
            canvas.paste(_scaled(picture, cells[number]), (x, y))
            pen.rectangle((x - 1, y - 1, x + cells[number][0], y + cells[number][1]), outline=LINE)
    return canvas


def png(image: Image.Image, facts: Sequence[tuple[str, str]]) -> bytes:
    """The picture as PNG, with facts as text chunks."""
    info = PngImagePlugin.PngInfo()
    for key, value in facts:
        info.add_text(key, value)
    buffer = BytesIO()
    image.save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


def _frame(pen: ImageDraw.ImageDraw, sheet: Sheet, layout: _Layout) -> None:
    """Title, names of the columns and footer."""
    px, (width, height) = layout.px, layout.size
    inner = width - 2 * px(MARGIN_PX)
    title = shortened(sheet.title, size=px(_TITLE), width=inner)
    write(pen, (px(MARGIN_PX), px(MARGIN_PX + 18)), title, size=px(_TITLE), colour=INK)
    rule = px(MARGIN_PX + 36)
    pen.line((px(MARGIN_PX), rule, width - px(MARGIN_PX), rule), LINE, px(1))
    for number, name in enumerate(sheet.columns):
        middle = layout.left + number * (layout.column + px(GAP_PX)) + layout.column // 2
        shown = shortened(name, size=px(_NAME), width=layout.column)
        write(pen, (middle, layout.top(0) - px(12)), shown, size=px(_NAME), colour=INK, anchor="ms")
    footer = shortened(sheet.footer, size=px(_NOTE), width=inner)
    write(pen, (px(MARGIN_PX), height - px(MARGIN_PX)), footer, size=px(_NOTE), colour=FAINT)


def _cell(size: tuple[int, int], largest_px: int) -> tuple[int, int]:
    if largest_px and max(size) > largest_px:
        return max(1, size[0] * largest_px // max(size)), max(1, size[1] * largest_px // max(size))
    times = max(1, -(-SMALLEST_CELL_PX // max(size)))
    return size[0] * times, size[1] * times


def _scaled(picture: Image.Image, cell: tuple[int, int]) -> Image.Image:
    if picture.size == cell:
        return picture
    is_smaller = cell[0] < picture.size[0]
    return picture.resize(cell, Image.Resampling.LANCZOS if is_smaller else Image.Resampling.NEAREST)


def _label(pen: ImageDraw.ImageDraw, row: Row, layout: _Layout, *, number: int) -> None:
    """The prompt and its notes, in the middle of the row's height."""
    px, height = layout.px, layout.cells[number][1]
    width = px(LABEL_WIDTH_PX - GAP_PX)
    notes = [line for note in row.notes for line in wrapped(note, size=px(_NOTE), width=width, most=2)]
    most = max(1, (height - len(notes) * px(_NOTE_LINE_PX) - px(_NOTE_GAP_PX)) // px(_LINE_PX))
    lines = wrapped(row.label, size=px(_PROMPT), width=width, most=most) or ["(no words)"]
    notes = notes[: max(0, (height - len(lines) * px(_LINE_PX)) // px(_NOTE_LINE_PX))]
    y = layout.top(number) + (height - px(_LINE_PX) * len(lines) - px(_NOTE_LINE_PX) * len(notes)) // 2
    for line in lines:
        write(pen, (px(MARGIN_PX), y + px(16)), line, size=px(_PROMPT), colour=INK)
        y += px(_LINE_PX)
    y += px(_NOTE_GAP_PX)
    for line in notes:
        write(pen, (px(MARGIN_PX), y + px(15)), line, size=px(_NOTE), colour=FAINT)
        y += px(_NOTE_LINE_PX)
