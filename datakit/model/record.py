"""The record of an item: what is known of a scraped image, one canonical JSON file beside it in raw."""

from __future__ import annotations

import hashlib
from typing import Any, Final

import msgspec

from datakit.errors import InputError

CATEGORIES: Final = ("artist", "character", "copyright", "species", "general", "meta")
RATINGS: Final = ("general", "sensitive", "questionable", "explicit")


class Scraped(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a site says of a post, in dsk's words; `upstream` is the scrape's own JSON, verbatim."""

    site: str = ""
    post_id: str = ""
    page: int | None = None
    """Which image of a post that has several, as the scraper counts them; with site and post_id it names the image."""
    urls: tuple[str, ...] = ()
    md5: str = ""
    """As the site says; scrapers re-encode some files, so it may differ from the file's own."""
    rating: str = ""
    """One of RATINGS, or '' when unknown."""
    score: int | None = None
    favorites: int | None = None
    """How many people marked the post as a favorite, a bookmark, a like."""
    created_at: str = ""
    """UTC, ISO 8601 with seconds: `2015-04-14T01:25:01Z`."""
    updated_at: str = ""
    """As `created_at`."""
    parent_id: str = ""
    children: tuple[str, ...] = ()
    """Ids of the child posts, where the site names them."""
    has_children: bool | None = None
    tags: dict[str, tuple[str, ...]] = {}
    """Category → canonical tag names, in the site's order."""
    upstream: dict[str, Any] | None = None


Box = tuple[int, int, int, int]
"""(x, y, width, height) in pixels of the upright image."""


class Edits(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a person wants done to this one image; the stage `edited` does it."""

    crop_px: Box | None = None
    background: str = ""
    """Colour behind its transparency; '' for that of the settings."""


class Derived(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Where an image that dsk made was taken from."""

    item: str
    """Its key when it was taken."""
    sha256: str
    """Of the image that it was taken from."""
    crop_px: Box


class Record(Scraped, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is known of a scraped image: what its site says, and what its file is."""

    sha256: str
    size_bytes: int
    original: str
    """Path of the file inside the folder it was imported from."""
    imported_at: str
    """UTC, ISO 8601 with seconds."""
    format: str = ""
    """As decoded (`png`, `jpeg`, …), not as named; '' when the file could not be read."""
    size_px: tuple[int, int] | None = None
    """(width, height) as stored, before any EXIF rotation."""
    frame: int | None = None
    """Which frame of the moving picture `original`, from 0."""
    edits: Edits | None = None
    derived: Derived | None = None
    """For a part of another item's image; such an item is no post of any site."""
    seen: tuple[str, ...] = ()
    """`facts_digest` of what the site said at the import and at each refresh, oldest first. What is among them is no
    news; and a record whose facts are no longer the last was edited by hand."""

    def all_tags(self, categories: tuple[str, ...] = CATEGORIES) -> tuple[str, ...]:
        """Tags of the given categories, in their order, each once."""
        return tuple(dict.fromkeys(tag for name in categories for tag in self.tags.get(name, ())))


def facts_of(record: Scraped) -> Scraped:
    """What the site says in a record, without `upstream`."""
    names = (name for name in Scraped.__struct_fields__ if name != "upstream")
    return Scraped(**{name: getattr(record, name) for name in names})


def facts_digest(facts: Scraped) -> str:
    """16 hex digits that change when a fact does; `upstream` plays no part, nor does a field that is not set."""
    return hashlib.sha256(compact_json(facts_of(facts))).hexdigest()[:16]


def encode_json(value: object) -> bytes:
    """The one valid encoding: UTF-8, sorted keys, two-space indent, a final newline."""
    return msgspec.json.format(compact_json(value), indent=2) + b"\n"


def compact_json(value: object) -> bytes:
    """UTF-8 with sorted keys, on one line."""
    try:
        return msgspec.json.encode(value, order="sorted")
    except UnicodeEncodeError:  # a file name that is not UTF-8
        return msgspec.json.encode(_printable(msgspec.to_builtins(value)), order="sorted")


def _printable(value: Any) -> Any:
    """With what cannot be written as UTF-8 shown as an escape, such as `\\udcff`."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_printable(key): _printable(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_printable(one) for one in value]
    return value


class _Facts(Record, frozen=True, kw_only=True):
    """A record that is read without its `upstream`, which is most of its bytes."""

    upstream: dict[str, Any] | None = msgspec.field(default=None, name="-")


def decode_record(data: bytes, *, path: str, upstream: bool = True) -> Record:
    """Read a record; without `upstream` where a hundred thousand are held at once.

    Raises:
        InputError: not a record; names `path` and the field.
    """
    try:
        return msgspec.json.decode(data, type=Record if upstream else _Facts)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not a valid record: {error}", hint="dsk undo, or restore the file") from error
