"""What a source is: something that finds images, captions and facts in a folder that people scraped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.registry import Family
from datakit.sources.folders.documents import read_json
from datakit.sources.folders.walk import CAPTION_EXTENSIONS, GIF, VIDEO_EXTENSIONS, Aside, Folder
from datakit.sources.reading.repeats import facts_of_folder


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """One image of a folder with what came along; paths are relative to the folder."""

    image: str
    caption: str = ""
    """Path of the caption file; '' for none."""
    text: str | None = None
    """The caption itself, where it comes out of a file that holds many; where `caption` names a file, that counts."""
    scraped: Scraped | None = None
    sidecar: str = ""
    """The file that `scraped` was read from."""
    concept: str = ""
    """Where the source knows the concept better than the folder's name; '' else."""
    stem: str = ""
    """Where the source knows a better name than the file's; '' else."""
    problems: tuple[str, ...] = ()
    """What was wrong with its metadata, each naming file and field; the image is imported all the same."""


class Loose(msgspec.Struct, frozen=True, kw_only=True):
    """Metadata without its image: it may belong to an item that the dataset has."""

    path: str
    scraped: Scraped
    problems: tuple[str, ...] = ()


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a source knows how to read; every file that it does not name is left for the next source."""

    found: list[Found] = []
    loose: list[Loose] = []
    used: set[str] = set()
    """Files that were read as metadata."""
    orphans: list[str] = []
    """Captions without an image."""
    aside: list[Aside] = []


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """All that the sources found; every file of the folder is in one place of it."""

    found: list[Found] = []
    loose: list[Loose] = []
    orphans: list[str] = []
    """Captions without an image; imported beside the images, for lint to pair."""
    aside: list[Aside] = []
    recognised: dict[str, int] = {}
    """Source → number of images and of loose metadata that it read."""


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """One scrape format."""

    name: str
    title: str
    rank: int
    """Sources look at a folder one after another, the lowest first: each takes what it is sure of."""
    claim: Callable[[Folder, bool], Claims]
    """(what the sources before left, whether a person said that it is this format) → what it reads. Without a person's
    word it claims only what bears this format's marks."""


SOURCES: Family[Source] = Family("datakit.sources", Source, "SOURCE", word="source")
PLAIN = "folder"
"""The source that takes every image that is left."""


def read_listing(folder: Folder, source: str = "") -> Listing:
    """Let every source take what it recognises; or `source` alone, and the plain folder what that leaves.

    Raises:
        UsageError: no such source.
    """
    names = {source, PLAIN} if source else set(SOURCES.names())
    found: list[Found] = []
    loose: list[Loose] = []
    orphans: list[str] = []
    aside = list(folder.odd)
    recognised: Counter[str] = Counter()
    rest = folder
    for one in sorted((SOURCES.load(name) for name in names), key=lambda each: (each.rank, each.name)):
        claims = one.claim(rest, one.name == source)
        found += claims.found
        loose += claims.loose
        orphans += claims.orphans
        aside += claims.aside
        recognised[one.name] += len(claims.found) + len(claims.loose)
        rest = rest.without(_taken(claims))
    aside += _left_over(folder, rest)
    found = [row if source else _in_its_folder(folder, row) for row in found]
    found.sort(key=lambda row: row.image)
    return Listing(found=found, loose=loose, orphans=sorted(orphans), aside=aside, recognised=dict(+recognised))


def _in_its_folder(folder: Folder, row: Found) -> Found:
    """With the repeats and the concept of a folder `10_miku`, which images of every format are sorted into."""
    upstream = (row.scraped and row.scraped.upstream) or {}
    place = row.image.rpartition("/")[0]
    if row.concept or row.scraped is None or upstream.get("search_tags") == place.rpartition("/")[2]:
        return row
    facts = facts_of_folder(f"{folder.name}/{place}".rstrip("/"))
    if not facts or "kohya" in upstream:
        return row
    scraped = msgspec.structs.replace(row.scraped, upstream={**upstream, "kohya": facts})
    return msgspec.structs.replace(row, scraped=scraped, concept=facts["class_tokens"])


def _taken(claims: Claims) -> set[str]:
    images = {row.image for row in claims.found}
    captions = {row.caption for row in claims.found}
    return images | captions | claims.used | {*claims.orphans} | {one.path for one in claims.aside}


def _left_over(folder: Folder, rest: Folder) -> Iterable[Aside]:
    """Why nobody took a file."""
    for path in rest.files:
        stem, extension = split_path(path)
        extension = extension.lower()
        if path in folder.ugoira:
            reason = f"ugoira (a moving picture; {_FRAMES})"
        elif extension in VIDEO_EXTENSIONS or extension == GIF:
            reason = f"{'gif' if extension == GIF else 'video'} (a moving picture; {_FRAMES})"
        elif extension in {"json", *CAPTION_EXTENSIONS} and _is_of_moving(folder, stem):
            reason = "belongs to a moving picture"
        elif extension == "json":
            is_beside = folder.is_image(stem) or stem in folder.by_stem
            reason = _why_unread(folder, path) if is_beside else "metadata of no single image"
        else:
            reason = _REASONS.get(extension, "not an image")
        yield Aside(path, reason)


def _why_unread(folder: Folder, path: str) -> str:
    try:
        read_json(folder, path)
    except InputError as error:
        return error.message
    return "metadata in a form that is not read"


def _is_of_moving(folder: Folder, stem: str) -> bool:
    return not folder.moving_stems.isdisjoint((stem, split_path(stem)[0]))


_FRAMES = "--frames takes images out of it"
_REASONS = {
    "swf": "flash",
    **dict.fromkeys(("zip", "cbz", "tar", "tgz", "rar", "7z"), "archive"),
    "npz": "a trainer's cache",
    "psd": "a Photoshop document",
    "part": "a download that was broken off",
}
