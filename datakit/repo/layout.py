"""Which paths of the work tree dsk looks after; everything else in it is the person's own."""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from datakit.model.item import IMAGE_EXTENSIONS, is_image
from datakit.model.order import ORDER

MANAGED_FOLDERS: Final = (*ORDER, "vocab", "bakes")
MANAGED_FILES: Final = ("dsk.toml", ".gitattributes", ".gitignore")
_CACHED_FOLDERS: Final = 1 << 12
_TEXT_EXTENSIONS: Final = frozenset({"txt", "json", "caption", "toml", "csv", "jsonl"})


def is_managed_name(name: str) -> bool:
    """Whether a file of this name inside a managed folder belongs to the dataset."""
    if name.startswith("."):
        return False
    _, dot, extension = name.rpartition(".")
    extension = extension.lower()
    return extension in _TEXT_EXTENSIONS or (bool(dot) and extension in IMAGE_EXTENSIONS)


def is_managed(path: str) -> bool:
    """Whether dsk looks after this path (relative to the root, with slashes)."""
    folder, slash, name = path.rpartition("/")
    if not slash:
        return path in MANAGED_FILES
    return _is_managed_folder(folder) and is_managed_name(name)


@lru_cache(maxsize=_CACHED_FOLDERS)
def _is_managed_folder(folder: str) -> bool:
    parts = folder.split("/")
    return parts[0] in MANAGED_FOLDERS and not any(part.startswith(".") for part in parts)


def is_stored_as_pointer(path: str) -> bool:
    """Whether git holds a git-lfs pointer for this path."""
    return path.partition("/")[0] in ORDER and is_image(path)


def _either_case(word: str) -> str:
    return "".join(f"[{c}{c.upper()}]" if c.isalpha() else c for c in word)


_HEADER: Final = "# Written by dsk: bytes are kept exactly; images are git-lfs pointers in git.\n* -text\n"
GITATTRIBUTES: Final = _HEADER + "".join(
    f"/{folder}/**/*.{_either_case(extension)} filter=lfs diff=lfs merge=lfs -text\n"
    for folder in ORDER
    for extension in sorted(IMAGE_EXTENSIONS)
)
GITIGNORE: Final = "/.dsk/\n"
