"""How long work tells how far it is, without knowing a terminal."""

from __future__ import annotations

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""(what is being done, done so far, total); called from one thread."""


def silent(what: str, done: int, total: int) -> None:
    """Tell nobody."""
