"""Paths that a tree may name but nobody may write: a tree can come from anywhere, and its names are only bytes."""

from __future__ import annotations

import re
import sys
import unicodedata
from collections.abc import Iterable
from typing import Final

from datakit.errors import RepositoryError
from datakit.repo.dataset import PRIVATE

_SEPARATORS = re.compile(r"[/\\]")
_GIT = re.compile(r"\.?git(?:~[0-9]+)?")
_UNSEEN: Final = frozenset({"Cf", "Cc"})
"""Categories of characters that some disks leave out when they compare names."""
_DRIVE = re.compile(r"[a-z]:", re.IGNORECASE)
_PLAIN = re.compile(r"[0-9A-FH-Za-fh-z_][ -.0-9;-\[\]-}]*")
"""Nearly all names: they begin with neither a dot nor a g, and hold no separator, colon or tilde."""


def refuse_hostile(paths: Iterable[str]) -> None:
    """Refuse a path that leads out of the dataset, or into git's or dsk's own folder, on any system.

    Raises:
        RepositoryError: names the first such path.
    """
    checked: dict[str, str] = {}
    for path in paths:
        folder, slash, name = path.rpartition("/")
        above = folder + slash
        if above not in checked:
            checked[above] = _harm_of_folder(folder) if slash else ""
        harm = checked[above] or _harm_of(name, is_first=not slash)
        if harm:
            shown = path.encode("utf-8", "backslashreplace").decode()
            raise RepositoryError(
                f"{shown}: a commit names this path, which {harm}; nothing was written",
                hint="whoever made that commit meant harm, or has a broken program: look at it with git ls-tree",
            )


def _harm_of_folder(folder: str) -> str:
    names = folder.split("/")
    return next((harm for at, name in enumerate(names) if (harm := _harm_of(name, is_first=at == 0))), "")


def _harm_of(name: str, *, is_first: bool) -> str:
    """What a name in a tree would do: '' for a harmless one."""
    if _PLAIN.fullmatch(name):
        return ""
    if "\\" in name and sys.platform == "win32":
        return "Windows would take for folders"
    if is_first and _DRIVE.match(name):
        return "names a drive"
    for part in _SEPARATORS.split(name):
        if part in {"", ".", ".."}:
            return "leads out of the dataset"
        seen = "".join(letter for letter in part if unicodedata.category(letter) not in _UNSEEN)
        plain = unicodedata.normalize("NFKC", seen).lower().partition(":")[0].rstrip(" .")
        if plain != "git" and _GIT.fullmatch(plain):
            return "is git's own folder, on some systems"
        if is_first and plain == PRIVATE:
            return "is dsk's own folder"
    return ""
