"""Making written bytes survive a power cut: one sync for a whole operation."""

from __future__ import annotations

import contextlib
import ctypes
import errno
import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path

from datakit.errors import WriteError


def sync_filesystems(*folders: Path) -> None:
    """Sync the file systems of some folders, each once; those that are not there yet hold nothing to sync.

    Raises:
        WriteError: a disk reports a failed write.
    """
    devices: dict[int, Path] = {}
    for folder in folders:
        with contextlib.suppress(FileNotFoundError):
            devices.setdefault(folder.stat().st_dev, folder)
    for folder in devices.values():
        sync_filesystem(folder)


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
    """Write a small file so that a reader sees the old or the new content, never half of it; durable when done."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def _sync_folder(folder: Path) -> None:
    """Make a rename in a folder durable, where the system can."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno != errno.EINVAL:  # a file system that cannot sync folders
            raise
    finally:
        os.close(handle)
