"""What a file of a scrape can be, by its name; and what is said of one that is not imported."""

from __future__ import annotations

import re
from typing import Final

import msgspec

from datakit.model.item import is_image, split_path

CAPTION_EXTENSIONS: Final = ("txt", "caption")
VIDEO_EXTENSIONS: Final = frozenset({"mp4", "webm", "mkv", "mov", "avi", "m4v"})
GIF: Final = "gif"
ARCHIVE: Final = re.compile(
    r"(.+)\.(zip|cbz|tar(?:\.(?:gz|bz2|xz|zst))?|tgz|tbz2?|txz|tzst|cbt|rar|cbr|7z|cb7)", re.IGNORECASE | re.DOTALL
)
"""(stem, extension) of an archive, also of a kind that cannot be opened."""
LINK: Final = "symbolic link (not followed)"
DATASET: Final = "another dataset; its raw folder can be imported"
HIDDEN: Final = "hidden"
IRREGULAR: Final = "not a regular file"

_TEXT_EXTENSIONS: Final = frozenset(
    {"json", "jsonl", "ndjson", "csv", "tsv", "toml", "yaml", "yml", "xml", "xmp", "log", "tags", "list"}
    | {"db", "db3", "sqlite", "sqlite3"}
)


class Aside(msgspec.Struct, frozen=True):
    """A file that is not imported, and why."""

    path: str
    reason: str


def is_moving(path: str) -> bool:
    """Whether the extension is a moving picture's; ugoira are not known by theirs."""
    extension = split_path(path)[1].lower()
    return extension == GIF or extension in VIDEO_EXTENSIONS


def may_matter(path: str) -> bool:
    """Whether a file of this extension can be an image, or say something of one."""
    extension = split_path(path)[1].lower()
    return is_image(path) or is_moving(path) or extension in CAPTION_EXTENSIONS or extension in _TEXT_EXTENSIONS


def is_seen(name: str) -> bool:
    """Hidden files are the system's own, but a hidden image may have been meant, and waifuc hides its metadata."""
    return not name.startswith(".") or is_image(name.lstrip(".")) or _is_waifuc(name)


def why_hidden(name: str) -> str:
    """Why a file that is seen is not read, as far as its name says; '' where it is."""
    return HIDDEN if name.startswith(".") and not _is_waifuc(name) else ""


def _is_waifuc(name: str) -> bool:
    return name.endswith("_meta.json")
