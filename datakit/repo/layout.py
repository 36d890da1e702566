"""Which paths of the work tree dsk looks after; everything else in it is the person's own."""

from __future__ import annotations

from typing import Final

from datakit.model.item import IMAGE_EXTENSIONS, is_image
from datakit.model.order import ORDER

MANAGED_FOLDERS: Final = (*ORDER, "vocab", "bakes")
MANAGED_FILES: Final = ("dsk.toml", ".gitattributes", ".gitignore")
_TEXT_EXTENSIONS: Final = frozenset({"txt", "json", "caption", "toml", "csv", "jsonl"})
_JUNK: Final = frozenset({"thumbs.db", "desktop.ini"})


def is_managed_name(name: str) -> bool:
    """Whether a file of this name inside a managed folder belongs to the dataset."""
    if name.startswith(".") or name.lower() in _JUNK:
        return False
    return is_image(name) or name.rpartition(".")[2].lower() in _TEXT_EXTENSIONS


def is_managed(path: str) -> bool:
    """Whether dsk looks after this path (relative to the root, with slashes)."""
    if path in MANAGED_FILES:
        return True
    *folders, name = path.split("/")
    hidden = any(folder.startswith(".") for folder in folders)
    return bool(folders) and folders[0] in MANAGED_FOLDERS and not hidden and is_managed_name(name)


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
