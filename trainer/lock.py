"""One run per output folder at a time."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trainer.errors import StateError


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Holds the folder itself, without a lock file; the system lets go when the process ends, however it ends.

    Raises StateError where another process holds it. Windows has no such lock: there it does nothing.
    """
    if sys.platform == "win32":
        yield
        return
    import fcntl

    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise StateError(
            f"{folder}: another run is writing here", hint="wait for it, or choose another output.dir"
        ) from None
    try:
        yield
    finally:
        os.close(handle)
