"""Where the members of one archive go: which are unpacked, under which limits, and what is said of the others."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path
from typing import IO, Final, Protocol

from datakit.errors import InputError, WriteError
from datakit.model.item import split_path
from datakit.sources.folders.files import ARCHIVE, Aside, is_moving, may_matter, why_hidden
from datakit.sources.folders.members import is_hidden, judge

MAX_RATIO: Final = 200
"""An archive that unpacks to more times its size is a bomb, if it unpacks to more than `SMALL_BYTES`."""
SMALL_BYTES: Final = 1 << 30
MAX_MEMBERS: Final = 1_000_000
RESERVE_BYTES: Final = 256 << 20
"""Space on the disk that is left to others."""
IN_ARCHIVE: Final = "an archive in an archive; unpack it first"
_CHUNK_BYTES: Final = 1 << 20
_LOOK_BYTES: Final = 64 << 20
"""How much is written until the free space is looked at again."""
_GIB: Final = 1 << 30
_DAY_S: Final = 86_400


class Readable(Protocol):
    """What a member's bytes are read from."""

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes; none at the end."""


class TooLarge(InputError):  # noqa: N818 - it names the state of a file
    """The archive unpacks to more than any honest one would."""


class Sink:
    """Takes the members of one archive that can matter, and writes them under names of its own."""

    def __init__(self, archive: Path, folder: Path, *, takes_frames: bool = False) -> None:
        facts = archive.stat()
        self.archive = archive
        self.folder = folder
        """Where the files are written: `000001.png`, …"""
        self.files: dict[str, Path] = {}
        self.odd: list[Aside] = []
        """What is not read, with its path in the archive; '' stands for the archive itself."""
        self.takes_frames = takes_frames
        self._max_bytes = max(SMALL_BYTES, MAX_RATIO * facts.st_size)
        self._otherwise_s = facts.st_mtime
        self._num_members = 0
        self._num_files = 0
        self._num_read = 0
        self._num_written = 0
        self._now_s = time.time()

    def expect(self, num_bytes: int) -> None:
        """Say how much is going to be written.

        Raises:
            WriteError: the disk has not that much room.
        """
        free_bytes = shutil.disk_usage(self.folder).free - RESERVE_BYTES
        if min(num_bytes, self._max_bytes) > free_bytes:
            raise WriteError(
                f"{self.archive}: unpacks to {num_bytes / _GIB:.1f} GiB, and {self.folder} has room for"
                f" {max(free_bytes, 0) / _GIB:.1f} GiB",
                hint="free some space, or unpack it elsewhere and import that folder",
            )

    def offer(self, name: str) -> str:
        """The path that a regular member has if it is to be unpacked; '' where it is not, which is noted.

        Raises:
            TooLarge: the archive has more members than any honest one.
        """
        self._num_members += 1
        if self._num_members > MAX_MEMBERS:
            raise self._too_large(f"holds more than {MAX_MEMBERS:,} files")
        path, refused = judge(name)
        if refused:
            self.odd.append(Aside(path, refused))
            return ""
        if is_hidden(path):
            return ""
        hidden = why_hidden(path.rpartition("/")[2])
        if not hidden and is_moving(path) and not self.takes_frames:
            self.files[path] = self.folder / "not-unpacked"
            return ""
        reason = hidden or self._why_not(path)
        if reason:
            self.odd.append(Aside(path, reason))
        return "" if reason else path

    def refuse(self, name: str, reason: str) -> None:
        """Note a member that is no regular file, or cannot be read."""
        path = judge(name)[0]
        if path and not is_hidden(path):
            self.odd.append(Aside(path, reason))

    def take(self, path: str, content: Readable, changed_s: float) -> None:
        """Write one member; of several with one name the last one stays, as with unzip and tar.

        Raises:
            TooLarge: the archive is a bomb.
            WriteError: the disk refuses.
            Exception: whatever reading `content` raises; nothing of the member is left.
        """
        extension = split_path(path)[1].lower()
        self._num_files += 1
        target = self.folder / f"{self._num_files:06d}.{extension}"
        file = _create(target)
        try:
            with file:
                while chunk := content.read(_CHUNK_BYTES):
                    self._count_written(len(chunk))
                    _write(file, chunk)
            moment_s = changed_s if 0 < changed_s < self._now_s + _DAY_S else self._otherwise_s
            os.utime(target, (moment_s, moment_s))
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        if path in self.files:
            self.odd.append(Aside(path, "a later file of the archive has the same name; that one is read"))
        self.files[path] = target

    def link(self, path: str, target: str) -> None:
        """Let a hard link be another name of a member that was unpacked."""
        known = self.files.get(judge(target)[0])
        if known is None:
            self.odd.append(Aside(path, "hard link to what is not unpacked"))
        else:
            self.files[path] = known

    def refuse_rest(self) -> None:
        """Note that the archive cannot be read any further."""
        self.odd.append(Aside("", "damaged; what comes after that place in it could not be read"))

    def count_read(self, num_bytes: int) -> None:
        """Note that so much was decompressed, whether it is written or not.

        Raises:
            TooLarge: that is more than an honest archive would hold.
        """
        self._num_read += num_bytes
        if self._num_read > self._max_bytes:
            raise self._too_large(f"unpacks to more than {self._max_bytes / _GIB:.0f} GiB, far above its own size")

    def _count_written(self, num_bytes: int) -> None:
        before = self._num_written
        self._num_written += num_bytes
        if self._num_written > self._max_bytes:
            raise self._too_large(f"unpacks to more than {self._max_bytes / _GIB:.0f} GiB, far above its own size")
        if before // _LOOK_BYTES != self._num_written // _LOOK_BYTES:
            self.expect(0)

    def _why_not(self, path: str) -> str:
        if may_matter(path):
            return ""
        if ARCHIVE.fullmatch(path):
            may_be_ugoira = self.takes_frames and path.lower().endswith(".zip")
            return "" if may_be_ugoira else IN_ARCHIVE
        return "not an image"

    def _too_large(self, what: str) -> TooLarge:
        return TooLarge(f"{self.archive}: {what}", hint="unpack it yourself if you trust it, and import that folder")


def _create(target: Path) -> IO[bytes]:
    try:
        return target.open("xb", buffering=0)
    except OSError as error:
        raise WriteError(f"{target}: {error.strerror}", hint="check the disk and the permissions") from error


def _write(file: IO[bytes], chunk: bytes) -> None:
    try:
        left = memoryview(chunk)
        while left:
            left = left[file.write(left) :]
    except OSError as error:
        hint = "free some space, or unpack the archive elsewhere and import that folder"
        raise WriteError(f"{file.name}: {error.strerror}", hint=hint) from error
