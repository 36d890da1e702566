"""One writer at a time: an advisory lock that dies with its process."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from datakit.errors import LockedError, WriteError

WAIT_S = 10.0


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
        deadline = time.monotonic() + wait_s
        while not _try_lock(descriptor):
            if time.monotonic() > deadline:
                holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?"
                raise LockedError(
                    f"{path.parent.parent}: another dsk (process {holder}) is at work", hint="wait until it is done"
                )
            time.sleep(0.05)
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
        return os.pread(descriptor, 20, 0).decode("ascii", "replace").strip() or "?"
    finally:
        os.close(descriptor)


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
