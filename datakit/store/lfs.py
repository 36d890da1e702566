"""The git-lfs store, `.git/lfs/objects/aa/bb/<sha256>`, and the pointers that stand for its objects in git.

Format: git-lfs docs/spec.md. The store's files are its own: no work-tree file ever shares their inode.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import re
import time
from collections.abc import Callable
from pathlib import Path

from datakit.errors import InputError, RepositoryError
from datakit.model.item import ImageRef
from datakit.store.links import clone_file
from datakit.store.streams import Content, create, read_content, replace, write_all

_POINTER = re.compile(
    rb"version https://(?:git-lfs|hawser)\.github\.com/spec/v1\n"
    rb"(?:ext-[^\n]*\n)*oid sha256:([0-9a-f]{64})\nsize ([0-9]+)\n"
)
_EMPTY_SHA256 = hashlib.sha256().hexdigest()
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MINE = "dsk-"
MIN_AGE_NS = 2_000_000_000
"""Images carry times at least this old: git reads a file again whose time lies in the index's own second."""


def pointer(sha256: str, size_bytes: int) -> bytes:
    """The one valid encoding of a pointer; an empty file is its own."""
    if size_bytes == 0:
        return b""
    return f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size_bytes}\n".encode()


def parse_pointer(data: bytes) -> tuple[str, int] | None:
    """(sha256, size in bytes) of a pointer, or None when `data` is no pointer."""
    if not data:
        return _EMPTY_SHA256, 0
    if len(data) > 1024:
        return None
    match = _POINTER.fullmatch(data)
    return (match[1].decode(), int(match[2])) if match else None


class LfsStore:
    """Content-addressed files; an object, once there, is complete and never changes."""

    def __init__(self, git_folder: Path) -> None:
        self.folder = git_folder / "lfs" / "objects"
        self._temporary = git_folder / "lfs" / "tmp"
        self._serial = itertools.count()
        self._clones = True

    def path(self, sha256: str) -> Path:
        """Where the object is, or would be."""
        return Path(self._name(sha256))

    def _name(self, sha256: str) -> str:
        return f"{self.folder}/{sha256[:2]}/{sha256[2:4]}/{sha256}"

    def has(self, ref: ImageRef) -> bool:
        """Whether the object is there in its full size."""
        try:
            return os.stat(self._name(ref.sha256)).st_size == ref.size_bytes  # noqa: PTH116
        except OSError:
            return False

    def read(self, sha256: str, *, most_bytes: int = -1) -> bytes:
        """Content of an object; with `most_bytes` no more than its beginning.

        Raises:
            RepositoryError: this clone has no such object.
        """
        if sha256 == _EMPTY_SHA256:
            return b""
        try:
            with self.path(sha256).open("rb") as file:
                return file.read(most_bytes)
        except FileNotFoundError as error:
            raise RepositoryError(
                f"image {sha256[:12]} is not in this clone", hint="dsk pull, or copy it from another clone"
            ) from error

    def ingest(self, source: Path, extension: str) -> ImageRef:
        """Take a file's content into the store, reading it once; not synced.

        Raises:
            InputError: the file cannot be read.
            OSError: the store cannot be written.
        """
        return self._take(source, extension, lambda ref: not self.has(ref))

    def replace(self, ref: ImageRef, source: Path) -> bool:
        """Write an object anew, whatever is there, from a file that should hold its content; False if it does not.

        Raises:
            InputError: the file cannot be read.
            OSError: the store cannot be written.
        """
        return self._take(source, ref.extension, lambda found: found == ref) == ref

    def _take(self, source: Path, extension: str, is_wanted: Callable[[ImageRef], bool]) -> ImageRef:
        with contextlib.ExitStack() as stack:
            try:
                file = stack.enter_context(open(source, "rb", buffering=0))  # noqa: PTH123
                before = os.fstat(file.fileno())
                content = read_content(file)
            except OSError as error:
                raise InputError(f"{source}: {error.strerror}") from error
            ref = ImageRef(content.sha256, content.size_bytes, extension)

            def check() -> None:
                after = os.fstat(file.fileno())
                if (after.st_size, after.st_mtime_ns) != (content.size_bytes, before.st_mtime_ns):
                    raise InputError(f"{source}: changed while it was read", hint="run the command again")

            if is_wanted(ref):
                self._write(ref, source, content, before.st_mtime_ns, check=check)
            else:
                check()
        return ref

    def names(self) -> list[str]:
        """sha256 of every object that is there, whole or not."""
        found: list[str] = []
        for folder in sorted(self.folder.glob("[0-9a-f][0-9a-f]/[0-9a-f][0-9a-f]")):
            found += sorted(name for name in os.listdir(folder) if _SHA256.fullmatch(name))  # noqa: PTH208
        return found

    def ingest_bytes(self, data: bytes, extension: str) -> ImageRef:
        """Take bytes into the store; not synced."""
        ref = ImageRef(hashlib.sha256(data).hexdigest(), len(data), extension)
        if not self.has(ref):
            self._write(ref, None, Content(ref.sha256, ref.size_bytes, memoryview(data)), time.time_ns())
        return ref

    def tidy(self, *, untouched_s: float = 60.0) -> None:
        """Remove what killed processes were writing: files that nobody has written to for a while."""
        for left in self._temporary.glob(f"{_MINE}*"):
            with contextlib.suppress(FileNotFoundError):
                if time.time() - left.stat().st_ctime >= untouched_s:
                    left.unlink()

    def _write(
        self,
        ref: ImageRef,
        source: Path | None,
        content: Content,
        mtime_ns: int,
        *,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        """`check` raises when the source turns out not to be what `ref` was computed from."""
        temporary = f"{self._temporary}/{_MINE}{os.getpid()}-{next(self._serial)}"
        try:
            with create(temporary) as file:
                if not (source and self._clones and clone_file(source, file)):
                    self._clones = self._clones and source is None  # most often the answer is the same next time
                    write_all(file, content, source)
                mtime_ns = min(mtime_ns, time.time_ns() - MIN_AGE_NS)
                os.fchmod(file.fileno(), 0o444)
                os.utime(file.fileno(), ns=(mtime_ns, mtime_ns))
            check()
            replace(temporary, self._name(ref.sha256))
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)  # noqa: PTH108
            raise
