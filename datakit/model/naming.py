"""Names that every file system, git and trainer can hold."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

MAX_NAME_BYTES: Final = 120
"""Leaves room for extensions and suffixes under the usual limit of 255 bytes."""
_FORBIDDEN = re.compile(r'[\x00-\x1f\x7f<>:"/\\|?*\u200b-\u200f\u2028-\u202e\ufeff]')
_RESERVED: Final = frozenset(
    {"con", "prn", "aux", "nul", *(f"com{n}" for n in range(1, 10)), *(f"lpt{n}" for n in range(1, 10))}
)


def safe_name(name: str) -> str:
    """A file name stem or folder name made portable: NFC, no reserved characters or names, bounded length.

    Leading dots go, since hidden files are not part of a dataset. A safe name comes back unchanged.
    """
    text = name.encode("utf-8", "surrogateescape").decode("utf-8", "replace").replace("\ufffd", "_")
    text = _FORBIDDEN.sub("_", unicodedata.normalize("NFC", text)).strip(" .")
    while len(text.encode()) > MAX_NAME_BYTES:
        text = text[:-1]
    text = text.strip(" .") or "_"
    return f"_{text}" if text.partition(".")[0].lower() in _RESERVED else text
