"""Locks on references that a killed dsk left behind: `.git/refs/heads/main.lock`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection
from pathlib import Path

AGE_S = 2.0
_WAIT_S = 10.0


def take_over(lock: Path, ours: Collection[bytes]) -> bool:
    """Remove a lock that cannot be a live process's; False where one is there that may be.

    The caller holds the dataset and has found the journal of a killed dsk that was moving this reference, and `ours`
    is what it was writing into the lock. So the lock is dsk's when it holds one of those, or nothing yet, and nobody
    has it open, and it has stayed like that for a while. A live git that has made a lock keeps it open until it has
    written into it, and then renames it at once.
    """
    deadline = time.monotonic() + _WAIT_S
    while True:
        try:
            stat = lock.stat()
            content = lock.read_bytes().strip()
        except FileNotFoundError:
            return True
        if content and content not in ours:
            return False
        if time.time() - stat.st_mtime >= AGE_S and not _is_open(stat):
            lock.unlink(missing_ok=True)
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)


def _is_open(wanted: os.stat_result) -> bool:
    """Whether a process has the file open, as far as Linux lets us see; elsewhere the age must do."""
    if not sys.platform.startswith("linux"):
        return False
    for process in Path("/proc").glob("[0-9]*/fd"):
        try:
            names = os.listdir(process)  # noqa: PTH208
        except OSError:
            continue  # ended, or another user's
        for name in names:
            try:
                found = os.stat(process / name)  # noqa: PTH116
            except OSError:
                continue
            if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                return True
    return False
