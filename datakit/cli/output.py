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
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

_BAR_AFTER_S = 1.0
_ELSEWHERE_WIDTH = 1000  # one line a row, for grep
_SHOWN_CONTROLS = {number: f"\\x{number:02x}" for number in (*range(32), *range(127, 160)) if chr(number) not in "\n\t"}


def plain(text: str) -> str:
    """Text in which a file's name cannot steer the terminal: control characters are shown as escapes."""
    return text.translate(_SHOWN_CONTROLS)


def say(text: str) -> None:
    """One line to standard output."""
    click.echo(plain(text))


def note(text: str) -> None:
    """One line to standard error, for what is not the command's result."""
    click.echo(plain(text), err=True)


def say_json(value: object) -> None:
    """A result as JSON."""
    click.echo(encode_json(value).decode(), nl=False)


def width() -> int:
    """Columns of the terminal; a fixed number where the output goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else _ELSEWHERE_WIDTH


def table(columns: Sequence[str], rows: Iterable[Sequence[Any]], *, right: Sequence[str] = ()) -> None:
    """A table without lines; cells are shown as they are, brackets and all."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    drawn = Table(box=None, pad_edge=False, header_style="bold", collapse_padding=True)
    for column in columns:
        drawn.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(plain(str(cell))) for cell in row))
    Console(width=width(), highlight=False).print(drawn)


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
            self._tasks[what] = self._show().add_task(what, total=total)
        self._show().update(self._tasks[what], completed=done)

    def _show(self) -> RichProgress:
        if self._shown is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

            self._shown = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.speed:.0f}/s"),
                TimeRemainingColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._shown.start()
        return self._shown
