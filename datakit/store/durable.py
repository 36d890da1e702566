"""Making written bytes survive a power cut: one sync for a whole operation."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from datakit.errors import WriteError


def sync_filesystem(folder: Path) -> None:
    """Block until everything written so far to the file system of `folder` is on the disk.

    Linux syncs that one file system (syncfs(2)), other systems sync all of them.

    Raises:
        WriteError: the disk reports a failed write.
    """
    syncfs = _syncfs()
    if syncfs is None:
        os.sync() if hasattr(os, "sync") else None
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(handle) != 0:
            raise WriteError(f"{folder}: the disk could not write everything: {os.strerror(ctypes.get_errno())}")
    finally:
        os.close(handle)


@functools.cache
def _syncfs() -> Callable[[int], int] | None:
    if not sys.platform.startswith("linux"):
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    return function if callable(function) else None


def replace_file(path: Path, data: bytes) -> None:
    """Write a small file so that a reader sees the old or the new content, never half of it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
