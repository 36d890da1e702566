"""Zip archives: every member in its order; a damaged one is told of, and the others are read."""

from __future__ import annotations

import lzma
import stat
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Final

from datakit.errors import InputError, WriteError
from datakit.sources.folders.members import zip_moment, zip_names
from datakit.sources.folders.unpacking import Sink, TooLarge

ZIP_ERRORS: Final = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error, EOFError, OSError, NotImplementedError),
    *(RuntimeError, ValueError, LookupError, OverflowError, MemoryError, TypeError),
)
"""What the standard library is known to raise on malformed archives."""
METHODS: Final = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA})
"""Not bzip2: a block of a few bytes would be unpacked to gigabytes at once."""
_ENCRYPTED: Final = 0x1
_UNIX: Final = 3


def unzip(archive: Path, sink: Sink) -> None:
    """Unpack what can matter of a zip file.

    Raises:
        InputError: it is damaged or cut short, so that its list of members cannot be read, or all is encrypted.
        WriteError: the disk has no room.
    """
    with open_zip(archive) as bundle:
        rows = bundle.infolist()
        names = zip_names(rows)
        wanted = [(row, path) for number, row in enumerate(rows) if (path := _choose(row, names[number], sink))]
        if wanted and all(row.flag_bits & _ENCRYPTED for row, _ in wanted):
            raise InputError(f"{archive}: is encrypted", hint="unpack it first, with its password")
        sink.expect(sum(row.file_size for row, _ in wanted))
        for row, path in wanted:
            _take(bundle, row, path, sink)


def open_zip(archive: Path) -> zipfile.ZipFile:
    """The zip file with its list of members read.

    Raises:
        InputError: that list is not there, or damaged.
    """
    try:
        return zipfile.ZipFile(archive)
    except ZIP_ERRORS as error:
        detail = getattr(error, "strerror", None) or "a damaged zip file, or one that was cut short"
        raise InputError(f"{archive}: {detail}", hint="download it again, or repair it with zip -FF") from error


def _choose(row: zipfile.ZipInfo, name: str, sink: Sink) -> str:
    """The path of a member that is to be unpacked; '' for all others."""
    if name.endswith("/"):
        return ""
    mode = row.external_attr >> 16 if row.create_system == _UNIX else 0
    kind = stat.S_IFMT(mode)
    if kind == stat.S_IFDIR:
        return ""
    if kind not in (0, stat.S_IFREG):
        sink.refuse(name, "symbolic link (not followed)" if kind == stat.S_IFLNK else "not a regular file")
        return ""
    return sink.offer(name)


def _take(bundle: zipfile.ZipFile, row: zipfile.ZipInfo, path: str, sink: Sink) -> None:
    if row.flag_bits & _ENCRYPTED:
        sink.refuse(path, "encrypted; unpack the archive first")
        return
    if row.compress_type not in METHODS:
        sink.refuse(path, "packed by a method that is not read; unpack the archive first")
        return
    try:
        with bundle.open(row) as content:
            sink.take(path, content, zip_moment(row))
    except (TooLarge, WriteError):
        raise
    except ZIP_ERRORS:
        sink.refuse(path, "damaged in the archive")
