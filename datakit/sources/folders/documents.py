"""Metadata files that hold many images' facts, read under limits: what is larger is left aside, never loaded.

A JSON file is read whole and may have 64 MiB; JSON Lines are read line by line and may have 1 GiB, with 16 MiB a
line; text may have 64 MiB.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, Final

from datakit.errors import InputError
from datakit.sources.folders.walk import Folder
from datakit.sources.reading.sidecars import decode_text, parse_json

MIB: Final = 1 << 20
MAX_JSON_BYTES: Final = 64 * MIB
MAX_TEXT_BYTES: Final = 64 * MIB
MAX_LINES_BYTES: Final = 1024 * MIB
MAX_LINE_BYTES: Final = 16 * MIB


def size_of(folder: Folder, path: str) -> int:
    """Bytes of a file.

    Raises:
        InputError: it cannot be looked at.
    """
    try:
        return folder.path_of(path).stat().st_size
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def check_size(folder: Folder, path: str, limit_bytes: int) -> None:
    """Refuse a file that is larger than `limit_bytes`.

    Raises:
        InputError: it is; names no path, as the others of this module.
    """
    if size_of(folder, path) > limit_bytes:
        raise _too_large(limit_bytes)


def read_json(folder: Folder, path: str) -> Any:
    """The value of a JSON file.

    Raises:
        InputError: too large, unreadable or not JSON; the message is the reason.
    """
    return parse_json(read_bytes(folder, path, MAX_JSON_BYTES))


def read_text(folder: Folder, path: str, *, limit_bytes: int = MAX_TEXT_BYTES) -> tuple[str, str]:
    """(text, problem) of a text file, as `decode_text` gives them.

    Raises:
        InputError: too large or unreadable.
    """
    return decode_text(read_bytes(folder, path, limit_bytes))


def read_bytes(folder: Folder, path: str, limit_bytes: int) -> bytes:
    """Content of a file.

    Raises:
        InputError: larger than `limit_bytes`, or unreadable.
    """
    try:
        with open(folder.path_of(path), "rb", buffering=0) as file:  # noqa: PTH123  a third faster for small files
            if os.fstat(file.fileno()).st_size > limit_bytes:
                raise _too_large(limit_bytes)
            return file.readall()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _too_large(limit_bytes: int) -> InputError:
    return InputError(f"larger than {limit_bytes // MIB} MiB, the most that is read of such a file")


def head(folder: Folder, path: str, size_bytes: int) -> bytes:
    """The first bytes of a file; b'' where it cannot be read."""
    try:
        with folder.path_of(path).open("rb") as file:
            return file.read(size_bytes)
    except OSError:
        return b""


def stream_lines(folder: Folder, path: str) -> Iterator[tuple[int, Any]]:
    """(line number from 1, value or the InputError that says what is wrong with it) of JSON Lines, one at a time.

    Raises:
        InputError: too large or unreadable.
    """
    check_size(folder, path, MAX_LINES_BYTES)
    try:
        with folder.path_of(path).open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    yield number, InputError(f"a line is longer than {MAX_LINE_BYTES // MIB} MiB")
                    return
                if line.strip():
                    yield number, _parsed(line)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def _parsed(line: bytes) -> Any:
    try:
        return parse_json(line)
    except InputError as error:
        return error
