"""`--watch`: do something again whenever a file below a folder changes."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from datakit.actions.linting.places import Place
from datakit.actions.linting.watched import Stamp, stamp_of
from datakit.cli.output import clear_screen, note
from datakit.errors import DskError

_PAUSE_S: Final = 0.5
_SETTLED_S: Final = 0.3
"""An editor that saves many files is let finish."""


def watch(place: Place, work: Callable[[], object], *, output: Path | None = None) -> None:
    """Work now and after every change, until Ctrl-C; an error is told, and the next change tries again.

    Args:
        output: the file that the work writes: that it changes is no reason to work again.
    """
    own = output.resolve() if output else None
    seen: Stamp | None = None
    while True:
        now = stamp_of(place, but=own)
        if now == seen:
            time.sleep(_PAUSE_S)
            continue
        while seen is not None and (later := _later(place, own)) != now:
            now = later
        seen = now
        clear_screen()
        try:
            work()
        except DskError as error:
            note(f"{error.message}; {error.hint}" if error.hint else error.message)
        note(f"{time.strftime('%H:%M:%S')}: waiting for changes below {place.root}; Ctrl-C ends")


def _later(place: Place, own: Path | None) -> Stamp:
    time.sleep(_SETTLED_S)
    return stamp_of(place, but=own)
