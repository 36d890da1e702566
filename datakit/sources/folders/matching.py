"""Which image a piece of metadata means: by path, by stem, by the md5 or the post's id in its file name.

A path that a metadata file names is only ever looked up among the folder's own paths, so that it leads nowhere else,
whatever it says.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable
from functools import cached_property
from typing import Final

from datakit.model.item import split_path
from datakit.sources.folders.walk import Folder
from datakit.sources.reading.site import site_called

_MD5: Final = re.compile(r"(?<![0-9a-f])[0-9a-f]{32}(?![0-9a-f])")
_SHA256: Final = re.compile(r"[0-9a-f]{64}")
_SITE_AND_ID: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9.\-]*(?:_[A-Za-z]+)*?)[ _-]+(?:id[ _-]*)?(\d{1,18})(?![0-9])")
_DRIVE: Final = re.compile(r"[A-Za-z]:")
_MAX_PARTS: Final = 64
_LONG_ID: Final = 4


class Images:
    """The images of a folder by what their names say; every question is one look-up."""

    def __init__(self, folder: Folder) -> None:
        self.paths = folder.images
        self._folder = folder

    @property
    def by_stem(self) -> dict[str, list[str]]:
        """`folder/stem` → images."""
        return self._folder.by_stem

    @cached_property
    def by_name(self) -> dict[str, list[str]]:
        """File name without folders, in lower case → images."""
        return _grouped((base_name(path).lower(), path) for path in self.paths)

    @cached_property
    def by_bare_stem(self) -> dict[str, list[str]]:
        """File name without folders and extension → images."""
        return _grouped((base_name(split_path(path)[0]), path) for path in self.paths)

    @cached_property
    def by_md5(self) -> dict[str, list[str]]:
        """32 hex digits of the file name → images."""
        return _grouped((md5, path) for path in self.paths for md5 in _MD5.findall(base_name(path).lower()))

    @cached_property
    def _by_id(self) -> dict[tuple[str, str], list[str]]:
        found: dict[tuple[str, str], list[str]] = {}
        for path in self.paths:
            key = _id_in(base_name(split_path(path)[0]))
            if key is not None:
                found.setdefault(key, []).append(path)
        return found

    def of_post(self, site: str, post_id: str, *, place: str) -> list[str]:
        """Images that a post's id names: after the site, `danbooru_123_…`, or alone, perhaps with zeros before it.

        An id alone counts below `place`, or else from four digits on, since `1.png` is called so by many.
        """
        known = site_called(site)
        named = self._by_id.get((known.name if known else site, post_id), [])
        bare = self._by_id.get(("", post_id), [])
        near = [path for path in bare if not place or path.startswith(f"{place}/")]
        return [*named, *(near or (bare if len(post_id) >= _LONG_ID else []))]

    @property
    def moving_stems(self) -> frozenset[str]:
        """`folder/stem` of the moving pictures that are not imported, with and without their extension."""
        return frozenset() if self._folder.takes_frames else self._folder.moving_stems

    def at(self, place: str, name: str) -> list[str]:
        """The images that `name` means in a metadata file that lies in the folder `place`; [] for none.

        A name may be a path or a path without extension, relative to `place`, or absolute on the machine where it
        was written: then the longest end of it that is a path in here counts.
        """
        for path in candidates(place, name):
            if self._folder.is_image(path):
                return [path]
            found = self.by_stem.get(path) or self.by_stem.get(split_path(path)[0], [])
            if found:
                return found
        return []


def candidates(place: str, name: str) -> Iterable[str]:
    """Relative paths that a name may mean, the likeliest first; none where it leads out of the folder."""
    text = name.strip().replace("\\", "/")
    if not text or "\0" in text:
        return
    if not text.startswith("/") and not _DRIVE.match(text):
        path = posixpath.normpath(posixpath.join(place, text))
        if not path.startswith(("../", "/")) and path not in {".", ".."}:
            yield path
        return
    parts = [part for part in _DRIVE.sub("", text, count=1).split("/") if part not in {"", "."}]
    if ".." in parts:
        return
    for start in range(max(0, len(parts) - _MAX_PARTS), len(parts)):
        end = "/".join(parts[start:])
        yield posixpath.join(place, end)
        if place:
            yield end


def leads_out(place: str, name: str) -> bool:
    """Whether a name is no path inside of the folder: with `..` beyond it, or empty."""
    return next(iter(candidates(place, name)), None) is None


def base_name(path: str) -> str:
    """The last part of a path."""
    return path.rpartition("/")[2]


def folder_of(path: str) -> str:
    """The folder that a path lies in; '' for the folder that is imported."""
    return path.rpartition("/")[0]


def is_sha256(stem: str) -> bool:
    """Whether a name is 64 hex digits."""
    return _SHA256.fullmatch(stem.lower()) is not None


def _id_in(stem: str) -> tuple[str, str] | None:
    """(site, post id) of a file's name; '' for the site of a name that is a number."""
    if stem.isascii() and stem.isdigit():
        return "", stem.lstrip("0")
    found = _SITE_AND_ID.match(stem)
    known = site_called(found[1]) if found else None
    return (known.name, found[2].lstrip("0")) if found and known else None


def _grouped(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, path in pairs:
        found.setdefault(key, []).append(path)
    return found
