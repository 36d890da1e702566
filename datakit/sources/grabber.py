"""imgbrd-grabber: `x.jpg.txt` or `x.txt` with all tags, one log for a whole folder, and XMP keywords.

Its user chooses what is written, so a text counts by what it says: grabber's own namespaces (`artist:x general:y`), or
tags with underscores that blanks join. People write those too, so they count only where a name is grabber's: in
`x.jpg.txt`, a `.log`, or beside an image that is called by its md5. All else is a caption and stays one. Grabber
appends when it downloads again, and renames an image whose extension was wrong after its text was written: both are
undone. Facts: Bionus/imgbrd-grabber:src/lib/src/models/image.cpp, src/lib/src/tags/tag.cpp.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import IMAGE_EXTENSIONS, split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_bytes, read_text
from datakit.sources.folders.matching import Images, base_name, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.namespaces import CATEGORY_OF, NAMESPACES, sort_tags
from datakit.sources.reading.tagtexts import is_joined, is_prose, namespaced, split_list
from datakit.sources.reading.xmp import MAX_BYTES, subjects

_SIDECAR_BYTES: Final = 1 << 20
_OWN: Final = frozenset(CATEGORY_OF) - {"creator", "series", "person", "medium", "studio"}
"""Namespaces that grabber writes; the others are hydrus's."""
_NEXT: Final = re.compile(rf"(?<!\s)\s++(?=(?:{'|'.join(sorted(NAMESPACES))}):\S)")
_NAMED: Final = re.compile(rf"(.+?\.(?:{'|'.join(sorted(IMAGE_EXTENSIONS))}))(?:[\s:;,|]+(.*))?$", re.IGNORECASE)
_MD5: Final = re.compile(r"[0-9a-f]{32}")
_MD5_FIRST: Final = re.compile(r"([0-9a-fA-F]{32})[\s:;,|]+(.*)$")


class _Reader:
    def __init__(self, folder: Folder, is_told: bool) -> None:
        self.folder = folder
        self.is_told = is_told
        self.images = Images(folder)
        self.claims = Claims()
        self.tags: dict[str, list[str]] = {}
        """Image → tags with their namespaces, of all its files."""
        self.texts: dict[str, dict[str, Any]] = {}
        """Image → file name → what it says, verbatim."""
        self.sidecars: dict[str, str] = {}
        self.captions: dict[str, str] = {}
        """Image → its caption, where another extension was written."""
        self.lines: dict[str, list[str]] = {}
        """Image → what a log for the whole folder says, where that is an ordinary caption."""
        self.problems: dict[str, list[str]] = {}

    def take_text(self, path: str) -> None:
        """Read `x.jpg.txt`, `x.txt`, or a log."""
        images, is_corrected = self._targets(path)
        extension = split_path(path)[1].lower()
        if images and extension == "txt":
            self._take_sidecar(path, images, is_corrected)
        elif not images and extension in {"txt", "log"}:
            self._take_log(path)

    def _targets(self, path: str) -> tuple[list[str], bool]:
        """(images that a sidecar belongs to, whether their extension was corrected after it was written)."""
        stem, _ = split_path(path)
        if self.folder.is_image(stem):
            return [stem], False
        found = self.images.by_stem.get(stem, [])
        bare, extension = split_path(stem)
        if not found and extension.lower() in IMAGE_EXTENSIONS:
            return self.images.by_stem.get(bare, []), True
        return found, False

    def _take_sidecar(self, path: str, images: list[str], is_corrected: bool) -> None:
        try:
            text, problem = read_text(self.folder, path, limit_bytes=_SIDECAR_BYTES)
        except InputError:
            return
        is_named = is_corrected or split_path(path)[0] in images or all(map(_is_md5, images))
        tags = tags_of(text, is_named=is_named, is_told=self.is_told)
        if tags is not None:
            self._add(images, path, tags=tags, text=text, problem=problem)
        elif is_corrected and len(images) == 1 and not self.folder.caption_of(images[0]):
            self.captions.setdefault(images[0], path)

    def _add(self, images: list[str], path: str, *, tags: list[str], text: Any, problem: str = "") -> None:
        self.claims.used.add(path)
        for image in images:
            self.tags.setdefault(image, []).extend(tags)
            self.texts.setdefault(image, {})[base_name(path)] = text
            self.sidecars.setdefault(image, path)
            self.problems.setdefault(image, []).extend([f"{path}: {problem}"] if problem else [])

    def _take_log(self, path: str) -> None:
        try:
            text, problem = read_text(self.folder, path)
        except InputError:
            return
        lines = [line for line in text.splitlines() if line.strip()]
        named = [(image, rest) for line in lines for image, rest in self._named(folder_of(path), line)]
        if not named or 2 * len({image for image, _ in named}) < len(set(lines)):
            return
        is_log = split_path(path)[1].lower() == "log"
        for image, rest in dict.fromkeys(named):
            tags = tags_of(rest, is_named=is_log or _is_md5(image), is_told=self.is_told)
            self._add([image], path, tags=tags or [], text=rest, problem=problem)
            if tags is None:
                self.lines.setdefault(image, []).append(rest)

    def _named(self, place: str, line: str) -> Iterator[tuple[str, str]]:
        """(image, what is said of it) where a line begins with an image's name or md5."""
        match = _NAMED.match(line.strip()) or _MD5_FIRST.match(line.strip())
        if match is None or not match[2]:
            return
        found = self.images.by_md5.get(match[1].lower(), []) or self.images.at(place, match[1])
        for image in found or self.images.by_name.get(base_name(match[1]).lower(), []):
            yield image, match[2].strip()

    def take_xmp(self, path: str) -> None:
        """Read the keywords of an XMP sidecar."""
        images, _ = self._targets(path)
        try:
            words = subjects(read_bytes(self.folder, path, MAX_BYTES)) if images else ()
            reason = "XMP without keywords" if images else "XMP whose image is not here, or known from elsewhere"
        except InputError as error:
            words, reason = (), error.message
        if words:
            self._add(images, path, tags=list(words), text=list(words))
        else:
            self.claims.aside.append(Aside(path, reason))

    def finish(self) -> Claims:
        """All that was found."""
        left = self.folder.without(self.claims.used)
        for image in sorted({*self.tags, *self.captions}):
            caption = self.captions.get(image) or left.caption_of(image)
            found = Found(image=image, caption=caption, sidecar=self.sidecars.get(image, ""))
            labels = sort_tags(self.tags.get(image, ()))
            if image in self.texts:
                upstream = {"grabber": self.texts[image]}
                scraped = Scraped(tags=labels.tags, rating=labels.rating, urls=labels.urls, upstream=upstream)
                found = msgspec.structs.replace(found, scraped=scraped, problems=tuple(self.problems[image]))
            if image in self.lines and not caption:
                found = msgspec.structs.replace(found, text="\n".join(self.lines[image]))
            self.claims.found.append(found)
        return self.claims


def tags_of(text: str, *, is_named: bool, is_told: bool = False) -> list[str] | None:
    """Tags with their namespaces; None for a text that does not look like grabber's.

    Args:
        is_named: whether the names of the files are such as grabber gives.
    """
    if not is_told and ":" not in text and ("," in text or "_" not in text):
        return None  # so nearly every caption is known at a glance
    separator, pieces = split_list(text)
    names = namespaced(pieces)
    num_own = sum(name in _OWN for name in names)
    is_whole = "general" in names and len(names) > 1
    is_whole &= is_named or len(names) == len(pieces) or (separator == " " and bool(namespaced(pieces[:1])))
    if separator == " " and is_whole:  # each has its namespace, so blanks may be part of a tag
        joined = (piece for line in text.splitlines() for piece in _NEXT.split(line.strip()))
        return list(dict.fromkeys(filter(None, joined)))
    if is_told or is_whole:
        return pieces or None
    if separator != " " or len(pieces) < 2 or is_prose(text):
        return None
    is_list = is_joined(" ".join(pieces)) or num_own > 0
    return pieces if num_own > 1 or (is_named and is_list) else None


def _is_md5(image: str) -> bool:
    return _MD5.fullmatch(base_name(split_path(image)[0]).lower()) is not None


def _claim(folder: Folder, is_told: bool) -> Claims:
    reader = _Reader(folder, is_told)
    for path in folder.ending("xmp"):
        reader.take_xmp(path)
    for path in folder.ending("txt", "log"):
        reader.take_text(path)
    return reader.finish()


SOURCE = Source(name="grabber", title="imgbrd-grabber", rank=28, claim=_claim)
