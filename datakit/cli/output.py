"""The only place that prints: tables, JSON, messages, progress."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import click

from datakit.model.record import encode_json

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID
    from rich.text import Text

_BAR_AFTER_S = 1.0
_UNITS = ("bytes", "kB", "MB", "GB", "TB")
_ELSEWHERE_WIDTH = 1000  # one line a row, for grep
_NARROW = 16
"""Letters up to which a column is never broken; a wider one keeps at least so many."""
_SHOWN_SKIPPED = 3
_SHOWN_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160))} | {9: "\\t", 10: "\\n"}
_SHOWN_IN_BLOCKS = {number: shown for number, shown in _SHOWN_CONTROLS.items() if chr(number) not in "\n\t"}


def plain(text: str) -> str:
    """One line, in which a file's name cannot steer the terminal: control characters are shown as escapes."""
    return text.translate(_SHOWN_CONTROLS)


def say(text: str) -> None:
    """One line to standard output."""
    click.echo(plain(text))


def say_words(words: Iterable[str], *, end: str) -> None:
    """Words to standard output as they are, each with `end` behind it, for another program to read."""
    click.echo("".join(f"{word}{end}" for word in words).encode("utf-8", "surrogateescape"), nl=False)


def say_block(text: str) -> None:
    """Lines to standard output, as someone wrote them."""
    click.echo(text.translate(_SHOWN_IN_BLOCKS))


def note(text: str) -> None:
    """One line to standard error, for what is not the command's result."""
    click.echo(plain(text), err=True)


def clear_screen() -> None:
    """Begin anew at the top, where the output is a terminal."""
    click.clear()


def tell_skipped(reasons: Sequence[str]) -> None:
    """Of several items that were meant, those to which it does not apply."""
    if reasons:
        more = ", …" if len(reasons) > _SHOWN_SKIPPED else ""
        items = "1 item" if len(reasons) == 1 else f"{len(reasons):,} items"
        say(f"left alone: {items}: {', '.join(reasons[:_SHOWN_SKIPPED])}{more}")


def when(seconds: int) -> str:
    """A moment of the history (Unix seconds) in local time, to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def amount(num_bytes: int) -> str:
    """A number of bytes in the unit that suits it."""
    size, unit = float(num_bytes), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.1f} {_UNITS[unit]}" if unit else f"{num_bytes} bytes"


def say_json(value: object) -> None:
    """A result as JSON."""
    click.echo(encode_json(value).decode(), nl=False)


def width() -> int:
    """Columns of the terminal; a fixed number where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _ELSEWHERE_WIDTH


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """A table without lines; cells are shown as they are, brackets and all.

    Short columns are never broken, long ones between words. Where that does not fit, each row becomes a paragraph.
    """
    from rich.cells import cell_len
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    cells = [[Text(plain(str(cell))) for cell in row] for row in rows]
    sizes = [max(cell_len(name), *(row[at].cell_len for row in cells), 0) for at, name in enumerate(columns)]
    if sum(min(size, _NARROW) + 1 for size in sizes) - 1 > width():
        _paragraphs(sizes, cells)
        return
    drawn = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for column, size in zip(columns, sizes, strict=True):
        drawn.add_column(
            column,
            justify="right" if column in right else "left",
            overflow="fold",
            no_wrap=size <= _NARROW,
            min_width=min(size, _NARROW),
        )
    for row in cells:
        drawn.add_row(*row)
    console = Console(width=width(), highlight=False)
    with console.capture() as captured:
        console.print(drawn)
    for line in captured.get().splitlines():
        click.echo(line.rstrip(" "))


def _paragraphs(sizes: Sequence[int], rows: Iterable[Sequence[Text]]) -> None:
    """Each row as lines of its own: the short cells in the first, each long one below."""
    for row in rows:
        short = "  ".join(str(cell) for cell, size in zip(row, sizes, strict=True) if size <= _NARROW and str(cell))
        click.echo(short)
        for cell, size in zip(row, sizes, strict=True):
            if size > _NARROW and str(cell):
                click.echo(f"  {cell}")


def show(drawn: RenderableType) -> None:
    """What rich draws, in the terminal's width; colours where it has some."""
    from rich.console import Console

    Console(width=width(), highlight=False, emoji=False).print(drawn)


class Bar:
    """A progress bar that shows once something takes longer than a second, on a terminal only."""

    def __init__(self) -> None:
        self._began: dict[str, float] = {}
        self._tasks: dict[str, TaskID] = {}
        self._shown: RichProgress | None = None

    def __enter__(self) -> Bar:
        return self

    def __exit__(self, *failure: object) -> None:
        if self._shown is not None:
            self._shown.stop()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Take note of progress."""
        began = self._began.setdefault(what, time.monotonic())
        if what not in self._tasks:
            if not sys.stderr.isatty() or time.monotonic() - began < _BAR_AFTER_S or done >= total:
                return
            self._tasks[what] = self._show().add_task(what, total=total, speed="")
        speed = _speed(done, time.monotonic() - began)
        self._show().update(self._tasks[what], completed=done, speed=speed)

    def _show(self) -> RichProgress:
        if self._shown is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._shown = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._shown.start()
        return self._shown


def _speed(done: int, seconds: float) -> str:
    """`120/s`, `3.4/s`, `0.25/s`: how many were done in each second since the beginning."""
    number = done / max(seconds, 1e-3)
    digits = 0 if number >= 10 else 1 if number >= 1 else 2
    return f"{number:.{digits}f}/s"
