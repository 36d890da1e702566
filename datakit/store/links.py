"""Putting one image into several places with few bytes: reflink, else a shared read-only inode, else a copy."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import sys
import threading
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

from datakit.store.streams import copy_stream, create, replace

Strategy = Literal["reflink", "hardlink", "copy"]
_FICLONE = 0x40049409
_REFUSALS = {
    errno.EPERM,
    errno.EACCES,
    errno.EXDEV,
    errno.EMLINK,
    errno.ENOSYS,
    errno.EINVAL,
    errno.ENOTSUP,
    errno.EOPNOTSUPP,
    errno.ENOTTY,
}


def clone_file(source: Path, target: BinaryIO) -> bool:
    """Make the open, empty `target` share the extents of `source`; False where the file system cannot."""
    if not sys.platform.startswith("linux"):
        return False
    import fcntl

    with source.open("rb") as file:
        try:
            fcntl.ioctl(target.fileno(), _FICLONE, file.fileno())
        except OSError as error:
            if error.errno in _REFUSALS:
                return False
            raise
    return True


def try_strategy(folder: Path) -> Strategy:
    """How images of several stages can share their bytes in `folder`, found by trying; the probes go again."""
    first, second = (folder / f"{os.getpid()}-link-probe-{number}" for number in (1, 2))
    try:
        with create(str(first)) as file:
            file.write(b"probe")
        with create(str(second)) as file:
            if clone_file(first, file):
                return "reflink"
        second.unlink()
        try:
            os.link(first, second)
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            return "copy"
        return "hardlink"
    finally:
        first.unlink(missing_ok=True)
        second.unlink(missing_ok=True)


class Placed(NamedTuple):
    """How a file came to its place, and its stat before anybody could write to it."""

    strategy: Strategy
    stat: os.stat_result


class Linker:
    """Materialises store objects as work-tree files; learns by trying what the file system can do.

    A hard-linked file is read-only (0444), since writing through one name would change every other.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = str(scratch)
        self._reflinks: bool | None = None
        self._probing = threading.Lock()
        self._can_hardlink = True
        self._serial = itertools.count()

    def place(self, content: Path, target: str, *, donor: str | None) -> Placed:
        """Make `target` a file with the content of the store's file `content`, replacing what is there.

        `donor` is a work-tree file known to hold the same content, the only kind of file that is ever linked.
        """
        temporary = f"{self._scratch}/{os.getpid()}-{next(self._serial)}"
        strategy: Strategy = "hardlink"
        if self._can_reflink(content, temporary) or donor is None or not self._hardlink(content, donor, temporary):
            strategy = self._copy(content, temporary)
        stat = os.lstat(temporary)
        replace(temporary, target)
        if strategy == "hardlink":  # rename(2) does nothing when both names are one inode already
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
        return Placed(strategy, stat)

    def _copy(self, content: Path, temporary: str) -> Strategy:
        strategy: Strategy = "reflink"
        with open(content, "rb", buffering=0) as source, create(temporary) as file:  # noqa: PTH123
            stat = os.fstat(source.fileno())
            if not (self._reflinks and clone_file(content, file)):
                strategy = "copy"
                copy_stream(source, file)
                if self._can_hardlink:
                    os.fchmod(file.fileno(), 0o444)
            os.utime(file.fileno(), ns=(stat.st_mtime_ns, stat.st_mtime_ns))
        return strategy

    def _can_reflink(self, content: Path, temporary: str) -> bool:
        """Whether this file system has reflinks; tried once, before any thread decides by it."""
        with self._probing:
            if self._reflinks is None:
                with create(f"{temporary}-probe") as file:
                    self._reflinks = clone_file(content, file)
                os.unlink(f"{temporary}-probe")  # noqa: PTH108
            return self._reflinks

    def _hardlink(self, content: Path, donor: str, temporary: str) -> bool:
        """Link the donor, unless it is not what it was taken for any more: it has the size and time of the store's."""
        if not self._can_hardlink:
            return False
        try:
            os.link(donor, temporary)
            linked, wanted = os.lstat(temporary), os.stat(content)  # noqa: PTH116
            if (linked.st_size, linked.st_mtime_ns) != (wanted.st_size, wanted.st_mtime_ns):
                os.unlink(temporary)  # noqa: PTH108
                return False
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            self._can_hardlink = error.errno == errno.EMLINK
            return False
        return True
