"""Moving the bytes of many files: one read, no allocation per file, folders made when they are missed.

Plain file names instead of path objects: at a hundred thousand files their cost shows.
"""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path
from typing import BinaryIO, NamedTuple

_WHOLE_BYTES = 16 << 20
_LOCAL = threading.local()


class Content(NamedTuple):
    """What was read of a file."""

    sha256: str
    size_bytes: int
    whole: memoryview | None
    """All of it, valid until this thread reads the next file; None when it is too large to hold."""


def read_content(file: BinaryIO) -> Content:
    """Read and hash an open, unbuffered file from its beginning."""
    buffer = _buffer()
    size = _fill(file, buffer)
    if size < len(buffer):
        whole = memoryview(buffer)[:size]
        return Content(hashlib.sha256(whole).hexdigest(), size, whole)
    digest = hashlib.sha256(buffer)
    while count := _fill(file, buffer):
        digest.update(memoryview(buffer)[:count])
        size += count
    return Content(digest.hexdigest(), size, None)


def write_all(file: BinaryIO, content: Content, source: Path | None) -> None:
    """Write content into an open, unbuffered file; what was too large to hold is read from `source` again."""
    if content.whole is not None:
        write_fully(file, content.whole)
    elif source is not None:
        with open(source, "rb", buffering=0) as again:  # noqa: PTH123
            copy_stream(again, file)


def copy_stream(source: BinaryIO, target: BinaryIO) -> None:
    """Copy from one open, unbuffered file to another."""
    buffer = _buffer()
    while count := source.readinto(buffer):  # type: ignore[attr-defined]
        write_fully(target, memoryview(buffer)[:count])


def create(name: str) -> BinaryIO:
    """Open a new temporary file for writing, unbuffered; its folder is made when missing.

    A file of that name is what a killed process left that had our process id.
    """
    try:
        return open(name, "xb", buffering=0)  # noqa: PTH123
    except FileNotFoundError:
        _make_folder(name)
    except FileExistsError:
        os.unlink(name)  # noqa: PTH108
    return open(name, "xb", buffering=0)  # noqa: PTH123


def replace(name: str, target: str) -> None:
    """Rename over what is at `target`; its folder is made when missing."""
    try:
        os.replace(name, target)  # noqa: PTH105
    except FileNotFoundError:
        _make_folder(target)
        os.replace(name, target)  # noqa: PTH105


def _make_folder(name: str) -> None:
    """Make the folder of a file; most often only the last one is missing."""
    folder = name.rpartition("/")[0]
    try:
        os.mkdir(folder)  # noqa: PTH102
    except FileExistsError:  # another thread or process made it meanwhile
        pass
    except FileNotFoundError:
        os.makedirs(folder, exist_ok=True)  # noqa: PTH103


def _buffer() -> bytearray:
    """This thread's buffer: large enough for nearly every picture; only what is used of it takes memory."""
    buffer: bytearray | None = getattr(_LOCAL, "buffer", None)
    if buffer is None:
        buffer = _LOCAL.buffer = bytearray(_WHOLE_BYTES)
    return buffer


def _fill(file: BinaryIO, buffer: bytearray) -> int:
    view = memoryview(buffer)
    size = 0
    while size < len(buffer) and (count := file.readinto(view[size:])):  # type: ignore[attr-defined]
        size += count
    return size


def write_fully(file: BinaryIO, view: memoryview) -> None:
    """Write all of `view` into an open, unbuffered file."""
    while view:
        view = view[file.write(view) :]
