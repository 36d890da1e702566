"""gallery-dl with `--write-metadata`: `x.png.json` or `x.json` beside `x.png`, in danbooru's words.

Sites whose metadata is read: danbooru and its kin (safebooru.donmai.us, aibooru), by their `tag_string_…` fields;
others keep their metadata verbatim in the record's `upstream`. Facts: mikf/gallery-dl 1.32,
gallery_dl/extractor/danbooru.py.
"""

from __future__ import annotations

import codecs
import contextlib
from itertools import islice
from typing import Any, Final

import msgspec

from datakit.errors import InputError
from datakit.model.item import split_path
from datakit.model.record import Scraped
from datakit.sources.model import Folder, Found, Listing, Source, listing
from datakit.tags.names import to_canonical

_CATEGORIES: Final = ("artist", "character", "copyright", "general", "meta")
_RATINGS: Final = {"g": "general", "s": "sensitive", "q": "questionable", "e": "explicit"}
_SAMPLE = 20


def _sidecar(folder: Folder, image: str) -> str:
    stem = split_path(image)[0]
    return next((path for path in (f"{image}.json", f"{stem}.json") if path in folder.files), "")


def _detect(folder: Folder) -> float:
    sidecars = (path for image in folder.images if (path := _sidecar(folder, image)))
    for path in islice(sidecars, _SAMPLE):
        with contextlib.suppress(InputError):
            if "category" in (_parse(folder.read(path)) or {}):
                return 1.0
    return 0.0


def _parse(data: bytes) -> dict[str, Any] | None:
    try:
        value = msgspec.json.decode(data.removeprefix(codecs.BOM_UTF8))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _scan(folder: Folder) -> Listing:
    used: set[str] = set()
    rows = [_found(folder, image, used) for image in folder.images]
    return listing(folder, rows, used=used)


def _found(folder: Folder, image: str, used: set[str]) -> Found:
    caption = folder.caption_of(image)
    path = _sidecar(folder, image)
    if not path:
        return Found(image=image, caption=caption)
    used.add(path)
    try:
        data = _parse(folder.read(path))
    except InputError as error:
        return Found(image=image, caption=caption, problem=f"{path}: {error.message}; imported without it")
    if data is None:
        return Found(image=image, caption=caption, problem=f"{path}: not a JSON object; imported without it")
    try:
        return Found(image=image, caption=caption, scraped=read_post(data))
    except InputError as error:
        kept = Scraped(site=str(data.get("category", "")), upstream=data)
        return Found(image=image, caption=caption, scraped=kept, problem=f"{path}: {error.message}")


def read_post(data: dict[str, Any]) -> Scraped:
    """One post's metadata in dsk's words.

    Raises:
        InputError: a field has a type that it cannot have; names the field.
    """
    return Scraped(
        site=_text(data, "category"),
        post_id=_text(data, "id"),
        urls=tuple(url for url in (_text(data, "source"), _text(data, "file_url")) if url),
        md5=_text(data, "md5").lower(),
        rating=_RATINGS.get(_text(data, "rating")[:1].lower(), ""),
        score=_integer(data, "score"),
        created_at=_text(data, "created_at"),
        parent_id=_text(data, "parent_id"),
        has_children=data["has_children"] if isinstance(data.get("has_children"), bool) else None,
        tags={name: tags for name in _CATEGORIES if (tags := _tags(data, name))},
        upstream=data,
    )


def _text(data: dict[str, Any], field: str) -> str:
    value = data.get(field)
    if value is None:
        return ""
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    raise InputError(f"field '{field}' is a {type(value).__name__}, not a text or number")


def _integer(data: dict[str, Any], field: str) -> int | None:
    text = _text(data, field)
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError) as error:
        raise InputError(f"field '{field}' is '{text[:40]}', not a number") from error


def _tags(data: dict[str, Any], category: str) -> tuple[str, ...]:
    for field in (f"tag_string_{category}", f"tags_{category}"):
        value = data.get(field)
        if value is None:
            continue
        names = value.split() if isinstance(value, str) else value
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise InputError(f"field '{field}' is neither a text nor a list of texts")
        return tuple(dict.fromkeys(tag for name in names if (tag := to_canonical(name))))
    return ()


SOURCE = Source(name="gallery_dl", title="gallery-dl with JSON metadata", detect=_detect, scan=_scan)
