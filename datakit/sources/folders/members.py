"""Names of what lies in archives: decoded, and judged before anything is unpacked."""

from __future__ import annotations

import re
import struct
import time
from collections.abc import Iterable, Iterator, Sequence
from zipfile import ZipInfo

from datakit.sources.folders.files import is_seen

_MAX_NAME_BYTES = 255
_MAX_PATH_BYTES = 4096
_SHOWN = 120
_DRIVE = re.compile(r"[A-Za-z]:")
_FINDER = "__MACOSX"
_UTF_8_FLAG = 0x800
_DOS = 0
"""System that a zip's member comes from: MS-DOS, Windows."""
_UNICODE_PATH = 0x7075
"""Extra field of Info-ZIP that holds the name in UTF-8."""
_TIMESTAMP = 0x5455
"""Extra field of Info-ZIP that holds Unix times."""


def judge(name: str) -> tuple[str, str]:
    """(path as it is shown, why it is refused); the reason is '' for a path that stays where it is unpacked."""
    reason = _why_refused(name)
    if reason:
        return "".join(one if one.isprintable() else "\ufffd" for one in name[:_SHOWN]), reason
    return "/".join(part for part in name.split("/") if part not in ("", ".")), ""


def is_hidden(path: str) -> bool:
    """Whether it is the system's own: below a hidden folder, or hidden and no image."""
    *folders, name = path.split("/")
    return any(folder.startswith(".") or folder == _FINDER for folder in folders) or not is_seen(name)


def zip_names(rows: Iterable[ZipInfo]) -> dict[int, str]:
    """Position in the archive → name, of every member.

    What is not marked as UTF-8 is tried as that, then as Shift-JIS, and taken as DOS's code page else: one of them
    for all names, so that an image and its caption still bear the same one. Programs of Windows part folders by
    backslashes.
    """
    members = list(rows)
    names = _decoded(members)
    return {
        number: name.replace("\\", "/") if members[number].create_system == _DOS else name
        for number, name in names.items()
    }


def _decoded(members: Sequence[ZipInfo]) -> dict[int, str]:
    found: dict[int, str] = {}
    unsure: dict[int, bytes] = {}
    for number, row in enumerate(members):
        if row.flag_bits & _UTF_8_FLAG or row.orig_filename.isascii():
            found[number] = row.orig_filename
            continue
        told = _unicode_path(row.extra)
        if told:
            found[number] = told
        else:
            unsure[number] = row.orig_filename.encode("cp437")
    fitting = (one for one in ("utf-8", "cp932") if all(_decodes(raw, one) for raw in unsure.values()))
    encoding = next(fitting, "cp437")
    return found | {number: raw.decode(encoding) for number, raw in unsure.items()}


def zip_moment(row: ZipInfo) -> float:
    """When a member was changed, in Unix seconds; DOS's time is taken as one of this place, as unzip does."""
    for kind, data in _extra_fields(row.extra):
        if kind == _TIMESTAMP and len(data) >= 5 and data[0] & 1:
            return float(struct.unpack_from("<i", data, 1)[0])
    try:
        return time.mktime((*row.date_time, 0, 0, -1))
    except (ValueError, OverflowError):
        return 0.0


def _why_refused(name: str) -> str:
    parts = name.split("/")
    if "\0" in name:
        return "its name holds a NUL"
    if name.startswith("/") or _DRIVE.match(name) or "\\" in name:
        return "its name is an absolute path, or one of Windows"
    if ".." in parts:
        return "its name leads out of the archive"
    if any(len(part) > _MAX_NAME_BYTES // 4 and _length(part) > _MAX_NAME_BYTES for part in parts):
        return "its name is too long"
    if len(name) > _MAX_PATH_BYTES // 4 and _length(name) > _MAX_PATH_BYTES:
        return "its name is too long"
    return "" if any(part not in ("", ".") for part in parts) else "it has no name"


def _length(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _decodes(raw: bytes, encoding: str) -> bool:
    try:
        raw.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _unicode_path(extra: bytes) -> str:
    for kind, data in _extra_fields(extra):
        if kind == _UNICODE_PATH and len(data) > 5 and data[0] == 1:
            return data[5:].decode("utf-8", "replace")
    return ""


def _extra_fields(extra: bytes) -> Iterator[tuple[int, bytes]]:
    """(kind, data) of each extra field, as far as they are whole."""
    at = 0
    while at + 4 <= len(extra):
        kind, size = struct.unpack_from("<HH", extra, at)
        yield kind, extra[at + 4 : at + 4 + size]
        at += 4 + size
