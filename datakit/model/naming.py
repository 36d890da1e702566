"""Names that every file system, git and trainer can hold."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from datakit.model.item import LOCK_NAME

MAX_NAME_BYTES: Final = 120
"""Leaves room for extensions and suffixes under the usual limit of 255 bytes."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f-\x9f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff\ufffd]')
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "123456789¹²³"}
)
"""Devices of Windows, with any extension."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
_SHORT_GIT = re.compile(r"git~[0-9]+", re.IGNORECASE)
"""What Windows may call `.git`: git refuses such a name in a tree."""


def safe_name(name: str) -> str:
    """A file name stem or folder name made portable: NFC, no reserved characters or names, bounded length.

    Leading dots go, since hidden files are not part of a dataset. A safe name comes back unchanged.
    """
    text = name.encode("utf-8", "replace").decode()
    text = unicodedata.normalize("NFC", _FORBIDDEN.sub("_", text)).strip(" .")
    if _is_reserved(text):
        text = f"_{text}"
    return text.encode()[:MAX_NAME_BYTES].decode("utf-8", "ignore").rstrip(" .") or "_"


def one_line(text: str) -> str:
    """Text for the first line of a commit's message: control characters become blanks, what is no UTF-8 escapes."""
    return _CONTROL.sub(" ", text.encode("utf-8", "backslashreplace").decode()).strip()


def _is_reserved(text: str) -> bool:
    is_device = text.partition(".")[0].rstrip(" ").lower() in _RESERVED
    return is_device or text.casefold() == LOCK_NAME or _SHORT_GIT.fullmatch(text) is not None
