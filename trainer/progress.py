"""What a run tells while it goes: a bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

Say = Callable[[str], None]


class Reporter(Protocol):
    """Told of everything that takes time."""

    def note(self, text: str) -> None:
        """A sentence for the person."""
        ...

    def begin(self, what: str, *, done: int, total: int) -> None:
        """A piece of work of `total` parts begins, `done` of them done before."""
        ...

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        """`num` more parts are done."""
        ...

    def end(self) -> None:
        """The piece of work is over."""
        ...


class QuietReporter:
    """Says nothing: of all processes of a run, one speaks."""

    def note(self, text: str) -> None:
        """Nothing."""

    def begin(self, what: str, *, done: int, total: int) -> None:
        """Nothing."""

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        """Nothing."""

    def end(self) -> None:
        """Nothing."""


@dataclass
class PlainReporter:
    """A line at every tenth of a piece of work; for logs and pipes."""

    say: Say
    what: str = ""
    done: int = 0
    total: int = 0

    def note(self, text: str) -> None:
        """Says it."""
        self.say(text)

    def begin(self, what: str, *, done: int, total: int) -> None:
        """Remembers what is going on."""
        self.what, self.done, self.total = what, done, total

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        """Says so when another tenth is full."""
        before, self.done = self.done, self.done + num
        if self.done == self.total or before * 10 // self.total < self.done * 10 // self.total:
            told = "" if loss is None else f", loss {loss:.4f}"
            self.say(f"{self.what} {self.done}/{self.total}{told}")

    def end(self) -> None:
        """Nothing is left open."""


class RichReporter:
    """A bar with loss, speed and time left; for terminals."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        self._console = Console(highlight=False)
        self._columns = (
            TextColumn("{task.description}"),
            BarColumn(bar_width=28),
            MofNCompleteColumn(),
            TextColumn("{task.fields[loss]}"),
            TextColumn("{task.fields[rate]}"),
            TimeRemainingColumn(),
        )
        self._make = Progress
        self._bar: Progress | None = None

    def note(self, text: str) -> None:
        """Says it, above the bar where there is one."""
        self._console.print(text, markup=False, soft_wrap=True)

    def begin(self, what: str, *, done: int, total: int) -> None:
        """Opens a bar."""
        self.end()
        self._bar = self._make(*self._columns, console=self._console)
        self._task = self._bar.add_task(what, total=total, completed=done, loss="", rate="")
        self._bar.start()

    def advance(self, num: int = 1, *, loss: float | None = None) -> None:
        """Moves it on."""
        if self._bar is None:
            return
        self._bar.advance(self._task, num)
        speed = self._bar.tasks[0].speed
        self._bar.update(
            self._task,
            loss="" if loss is None else f"loss {loss:.4f}",
            rate="" if speed is None else f"{speed:.2f}/s",
        )

    def end(self) -> None:
        """Closes the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
