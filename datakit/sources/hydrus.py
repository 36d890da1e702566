"""hydrus: sidecars in text or JSON, `x.png.txt`, `x.txt`, `x.png.tags.json`, beside files that are called by sha256.

A text counts by what it says: hydrus's namespaces (`creator:`, `series:`, `title:` …) in a list of tags, `||||` between
them, or addresses alone. Tags a line without any namespace count only where a name is hydrus's: several lines beside a
file that is called by its sha256, four or more in `x.png.txt`. All else is a caption and stays one. JSON counts when it
is a list of texts, or holds lists of them with such namespaces. Notes and times are kept in the record's `upstream`, as
the rest is. Facts: hydrusnetwork/hydrus:hydrus/client/metadata/ClientMetadataMigrationCore.py,
ClientMetadataMigrationExporters.py, hydrus/core/HydrusTags.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.folders.documents import read_json, read_text
from datakit.sources.folders.matching import Images, base_name, is_sha256
from datakit.sources.folders.walk import Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.namespaces import sort_tags
from datakit.sources.reading.tagtexts import is_taglike, namespaced, once, split_list

_SIDECAR_BYTES: Final = 4 << 20
_OWN: Final = frozenset({"creator", "series", "person", "medium", "studio", "title", "page", "chapter", "volume"})
"""Namespaces that hydrus's users write and other programs do not."""
_SHARED: Final = frozenset({"character", "rating", "meta", "species"})
_MIN_LINES: Final = 4
"""Lines that make a list of tags without any namespace; fewer may be captions to choose from."""
_ASIDE_WORDS: Final = ("note", "time", "rating", "hash", "date")
"""Parts of the names of sidecars, and of keys in them, whose content is no tag."""
_MAX_DEPTH: Final = 8


class _Reader:
    def __init__(self, folder: Folder, is_told: bool) -> None:
        self.folder = folder
        self.is_told = is_told
        self.images = Images(folder)
        self.used: set[str] = set()
        self.tags: dict[str, list[str]] = {}
        self.texts: dict[str, dict[str, Any]] = {}
        self.sidecars: dict[str, str] = {}
        self.problems: dict[str, list[str]] = {}

    def take(self, path: str) -> None:
        """Read one sidecar, if it is hydrus's."""
        images, suffix = self._targets(path)
        if not images:
            return
        is_hash = all(is_sha256(base_name(split_path(image)[0])) for image in images)
        problem = ""
        try:
            if split_path(path)[1].lower() == "json":
                content: Any = read_json(self.folder, path)
                tags = tags_of_json(content, is_sure=is_hash or self.is_told)
            else:
                content, problem = read_text(self.folder, path, limit_bytes=_SIDECAR_BYTES)
                is_exact = all(path.startswith(f"{image}.") for image in images)
                tags = tags_of_text(content, suffix=suffix, is_hash=is_hash, is_exact=is_exact, is_told=self.is_told)
        except InputError:
            return
        if tags is None:
            return
        self.used.add(path)
        for image in images:
            self.tags.setdefault(image, []).extend(tags)
            self.texts.setdefault(image, {})[base_name(path)] = content
            self.sidecars.setdefault(image, path)
            self.problems.setdefault(image, []).extend([f"{path}: {problem}"] if problem else [])

    def _targets(self, path: str) -> tuple[list[str], str]:
        """(images that a sidecar belongs to, its suffix): `x.png.tags.txt` belongs to `x.png`, with `tags`."""
        whole = split_path(path)[0]
        bare, suffix = split_path(whole)
        for base, word in ((whole, ""), (bare, suffix)):
            if self.folder.is_image(base):
                return [base], word.lower()
            if found := self.images.by_stem.get(base):
                return found, word.lower()
        return [], ""

    def finish(self) -> Claims:
        """All that was found."""
        left = self.folder.without(self.used)
        found: list[Found] = []
        for image, tags in self.tags.items():
            labels = sort_tags(map(_without_escape, tags))
            upstream = {"hydrus": self.texts[image]}
            scraped = Scraped(tags=labels.tags, rating=labels.rating, urls=labels.urls, upstream=upstream)
            row = Found(image=image, caption=left.caption_of(image), scraped=scraped, sidecar=self.sidecars[image])
            found.append(msgspec.structs.replace(row, problems=tuple(self.problems[image])))
        return Claims(found=found, used=self.used)


def tags_of_text(text: str, *, suffix: str, is_hash: bool, is_exact: bool, is_told: bool) -> list[str] | None:
    """Tags and addresses of a sidecar, [] for notes and the like; None for a text that is not hydrus's.

    Args:
        suffix: of the sidecar's name, in lower case.
        is_hash: whether the image is called by its sha256.
        is_exact: whether the sidecar bears the image's whole name.
    """
    if not (is_told or is_hash or ":" in text or "||||" in text or len(text.splitlines()) > 1):
        return None  # so nearly every caption is known at a glance
    separator, pieces = _split(text)
    if not pieces:
        return None
    if not (is_told or all(map(_is_url, pieces)) or (is_hash and suffix != "")):
        names = namespaced(pieces)
        is_named = is_hash or is_exact
        is_list = all(is_taglike(one) or namespaced([one]) or _is_url(one) for one in pieces)
        if separator == "||||":
            has_marks = bool(names) or not any(", " in one for one in pieces)
        elif separator == "\n":
            has_marks = is_hash or not _OWN.isdisjoint(names)
            has_marks |= is_exact and (not _SHARED.isdisjoint(names) or _is_tag_list(pieces))
        else:
            has_marks = is_named and len(set(names)) > 1 and not _OWN.isdisjoint(names)
        has_marks &= is_list
        if not has_marks:
            return None
    if any(word in suffix for word in _ASIDE_WORDS):
        return []
    return pieces


def tags_of_json(value: Any, *, is_sure: bool) -> list[str] | None:
    """Tags and addresses of a JSON sidecar; None where it is not hydrus's."""
    if isinstance(value, list):
        texts = [one for one in value if isinstance(one, str)]
        return once(texts) if texts and len(texts) == len(value) else None
    if not isinstance(value, dict):
        return None
    lists = list(_lists(value, ""))
    tags = [one for key, texts in lists for one in texts if not any(word in key for word in _ASIDE_WORDS)]
    has_marks = not (_OWN | _SHARED).isdisjoint(namespaced(tags))
    return once(tags) if has_marks or (is_sure and lists) else None


def _lists(value: Mapping[str, Any], place: str, depth: int = 0) -> Iterator[tuple[str, list[str]]]:
    """(its keys, in lower case, joined; list of texts) of every list of texts in an object."""
    for key, one in value.items():
        keys = f"{place}/{key.lower()}"
        if isinstance(one, dict) and depth < _MAX_DEPTH:
            yield from _lists(one, keys, depth + 1)
        elif isinstance(one, list) and one and all(isinstance(text, str) for text in one):
            yield keys, one


def _split(text: str) -> tuple[str, list[str]]:
    """(separator, pieces); lines that each begin with a namespace are tags, whatever commas are in them."""
    lines = once(text.splitlines())
    if len(lines) > 1 and "||||" not in text and all(len(set(namespaced(line.split(",")))) <= 1 for line in lines):
        named = len(namespaced(lines))
        if named >= 2 or all(map(_is_url, lines)):
            return "\n", lines
    return split_list(text)


def _without_escape(tag: str) -> str:
    """hydrus doubles a colon at the front, which has no namespace before it: `::d` is `:d`."""
    return tag[1:] if tag.startswith("::") else tag


def _is_url(text: str) -> bool:
    return text.lower().startswith(("http://", "https://"))


def _is_tag_list(lines: list[str]) -> bool:
    return len(lines) >= _MIN_LINES and any(" " in line for line in lines)


def _claim(folder: Folder, is_told: bool) -> Claims:
    reader = _Reader(folder, is_told)
    for path in folder.ending("txt", "json"):
        reader.take(path)
    return reader.finish()


SOURCE = Source(name="hydrus", title="hydrus sidecars", rank=30, claim=_claim)
