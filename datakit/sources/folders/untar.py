"""Tar archives, also compressed: one pass from the start to the end, or to where the archive is damaged."""

from __future__ import annotations

import bz2
import gzip
import importlib
import lzma
import struct
import tarfile
import zlib
from pathlib import Path
from typing import IO, Any, Final, cast

from datakit.errors import InputError, WriteError
from datakit.sources.folders.unpacking import Sink, TooLarge

_ERRORS: Final = (
    *(tarfile.TarError, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError),
    *(RuntimeError, ValueError, LookupError, OverflowError, MemoryError, TypeError, AttributeError),
)
"""What the standard library is known to raise on malformed archives."""
_HEADER_BYTES: Final = 8 << 20
"""A longer header (a name, say) is refused: it would be read into memory as a whole."""
_BLOCK_BYTES: Final = 512
_SKIP_BYTES: Final = 1 << 20
_MAGIC: Final = ((b"\x1f\x8b", "gz"), (b"BZh", "bz2"), (b"\xfd7zXZ\0", "xz"), (b"\x28\xb5\x2f\xfd", "zst"))


def untar(archive: Path, sink: Sink) -> None:
    """Unpack what can matter of a tar file; what follows a damaged place is told of.

    Raises:
        InputError: it is no tar file, or nothing of it can be read.
        WriteError: the disk has no room.
    """
    try:
        with archive.open("rb") as file:
            packed = _compression(file)
            sink.expect(archive.stat().st_size)
            stream = _Stream(_unpacked(file, packed, archive), sink if packed else None)
            _read_members(stream, sink)
    except (InputError, WriteError):
        raise
    except _ERRORS as error:
        detail = error.strerror if isinstance(error, OSError) and error.errno else "a damaged tar file"
        if not sink.files:
            raise InputError(f"{archive}: {detail}", hint="download it again, or unpack it first") from error
        sink.refuse_rest()


def _compression(file: IO[bytes]) -> str:
    start = file.read(8)
    file.seek(0)
    return next((name for magic, name in _MAGIC if start.startswith(magic)), "")


def _unpacked(file: IO[bytes], packed: str, archive: Path) -> Any:
    if packed == "gz":
        return gzip.GzipFile(fileobj=file)
    if packed == "bz2":
        return bz2.BZ2File(file)
    if packed == "xz":
        return lzma.LZMAFile(file)
    if packed == "zst":
        try:
            return importlib.import_module("compression.zstd").ZstdFile(file)
        except ImportError as error:
            message = f"{archive}: is packed by Zstandard, which this Python cannot read"
            raise InputError(message, hint="unpack it first, or use Python 3.14") from error
    return file


def _read_members(stream: _Stream, sink: Sink) -> None:
    bundle: Any = tarfile.TarFile(fileobj=cast(IO[bytes], stream), encoding="utf-8", errors="surrogateescape")
    while (row := bundle.next()) is not None:
        bundle.members.clear()  # it would hold on to a million of them
        name = row.name
        if row.isdir():
            continue
        if row.issym():
            sink.refuse(name, "symbolic link (not followed)")
        elif row.issparse() or not (row.isreg() or row.islnk()):
            sink.refuse(name, "not a regular file")
        elif path := sink.offer(name):
            if row.islnk():
                sink.link(path, row.linkname)
            else:
                _take(stream, row, path, sink)
    if stream.block.strip(b"\0"):
        raise tarfile.ReadError("what stands here is no header")


def _take(stream: _Stream, row: tarfile.TarInfo, path: str, sink: Sink) -> None:
    stream.seek(row.offset_data)
    try:
        sink.take(path, _Part(stream, row.size), float(row.mtime))
    except (TooLarge, WriteError):
        raise
    except _ERRORS:
        sink.refuse(path, "cut short: the archive is damaged here")
        raise


class _Stream:
    """A file that is only read forwards, as far as tarfile needs one; what is unpacked is counted."""

    def __init__(self, file: Any, sink: Sink | None) -> None:
        self._file = file
        self._sink = sink
        self._at = 0
        self.block = b""
        """The last that was read of a header's size."""

    def tell(self) -> int:
        """Bytes read or skipped so far."""
        return self._at

    def read(self, size: int, /) -> bytes:
        """The next bytes, fewer only at the end."""
        if not 0 <= size <= _HEADER_BYTES:
            raise tarfile.ReadError("a header of unbelievable size")
        data = cast(bytes, self._file.read(size))
        self._at += len(data)
        if self._sink:
            self._sink.count_read(len(data))
        if size == _BLOCK_BYTES:
            self.block = data
        return data

    def seek(self, position: int) -> None:
        """Go forwards."""
        if position < self._at:
            raise tarfile.ReadError("the archive leads backwards")
        if self._sink is None:
            self._at = self._file.seek(position)
        while self._at < position and self.read(min(_SKIP_BYTES, position - self._at)):
            pass


class _Part:
    """The bytes of one member."""

    def __init__(self, stream: _Stream, size: int) -> None:
        self._stream = stream
        self._left = size

    def read(self, size: int, /) -> bytes:
        """At most `size` bytes of it.

        Raises:
            EOFError: the archive ends before the member does.
        """
        wanted = min(size, self._left)
        data = self._stream.read(wanted) if wanted else b""
        if len(data) < wanted:
            raise EOFError
        self._left -= wanted
        return data
