"""One writer at a time: an advisory lock that dies with its process."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from datakit.errors import LockedError, WriteError

WAIT_S = 10.0
TELL_AFTER_S = 1.0
_PAUSE_S = 0.05


class Telling:
    """How a person learns that a lock is waited for; whoever talks to people sets `tell`."""

    def __init__(self) -> None:
        self.tell: Callable[[str], None] = lambda _: None


telling = Telling()


class Wait:
    """A wait for somebody else's lock: until when, and whether it has been told of."""

    def __init__(self, seconds: float) -> None:
        self._began = time.monotonic()
        self._seconds = seconds
        self._is_told = False

    def goes_on(self, who: str) -> bool:
        """Sleep a moment; False once the time is over. `who` is waited for."""
        waited = time.monotonic() - self._began
        if waited > self._seconds:
            return False
        if waited >= TELL_AFTER_S and not self._is_told:
            self._is_told = True
            telling.tell(f"waiting for {who} …")
        time.sleep(_PAUSE_S)
        return True


@contextlib.contextmanager
def exclusive(path: Path, *, wait_s: float = WAIT_S) -> Iterator[None]:
    """Hold the lock file `path` while the block runs; waits up to `wait_s` for another holder.

    The system releases the lock when its process ends in whatever way, so no stale lock can stay behind.

    Raises:
        LockedError: still held after `wait_s`; names the holder's process id.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise WriteError(f"{path}: {error.strerror}", hint="the dataset's folder must be writable") from error
    try:
        wait = Wait(wait_s)
        while not _try_lock(descriptor):
            who = _named(_written(descriptor))
            if not wait.goes_on(who):
                raise LockedError(f"{path.parent.parent}: {who} is at work", hint="wait until it is done")
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(path: Path) -> str:
    """Process id of who holds the lock now, '?' where it is not known; '' when it is free. Writes nothing."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except OSError:
        return ""
    try:
        if _try_lock(descriptor):
            return ""
        return _written(descriptor) or "?"
    finally:
        os.close(descriptor)


def _written(descriptor: int) -> str:
    """The process id that the holder wrote into the lock; '' where it wrote none."""
    found = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
    return found if found.isdecimal() and _lives(int(found)) else ""


def _lives(process: int) -> bool:
    """Whether there is such a process: whoever else takes the lock leaves the id that the last dsk wrote."""
    if sys.platform == "win32":
        return True  # a signal would end it there
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def _named(process: str) -> str:
    return f"another dsk (process {process})" if process else "another process"


def _try_lock(descriptor: int) -> bool:
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
