"""HakuBooru: a `danbooru2023.db` (SQLite) with images called by their post's id, in folders or in `data-0000.tar`.

Only the rows of the images that are there are read, from a database that is opened read-only and as it lies. Its own
numbers for categories are 0 general, 1 artist, 2 character, 3 copyright, 4 meta, not danbooru's; ratings are 0 general
to 3 explicit. Images that the database does not know are left. Facts: KohakuBlueleaf/HakuBooru:hakubooru/dataset/db.py,
hakubooru/source.py.
"""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final
from urllib.parse import quote

from datakit.model.item import split_path
from datakit.sources.folders.documents import head
from datakit.sources.folders.matching import base_name, folder_of
from datakit.sources.folders.walk import Aside, Folder
from datakit.sources.model import Claims, Found, Source
from datakit.sources.reading.site import read_facts

_EXTENSIONS: Final = frozenset({"db", "sqlite", "sqlite3"})
_MAGIC: Final = b"SQLite format 3\x00"
_TABLES: Final = frozenset({"post", "tag", "posttagrelation"})
_CATEGORIES: Final = ("general", "artist", "character", "copyright", "meta")
_RATINGS: Final = ("g", "s", "q", "e")
_BATCH: Final = 900
"""Ids of one question; SQLite once took no more than 999 values."""
_BATCH_WITHOUT_INDEX: Final = 30_000
_DATA_FOLDERS: Final = frozenset({"data", "db", "meta", "metadata"})
"""Where HakuBooru keeps the database, beside the folder of the images."""
_SHARD: Final = re.compile(r"data-\d+(?:\.tar)?")
_MAX_ID: Final = 10**12
_MAX_TAGS: Final = 5000
"""Of a post on average; danbooru's have hardly a thousand. Rows of a crafted table multiply with each other."""
_MAX_VALUE_BYTES: Final = 16 << 20


def _claim(folder: Folder, is_told: bool) -> Claims:
    claims = Claims(used=set())
    rest = folder.images
    for path in folder.ending(*_EXTENSIONS):
        if head(folder, path, len(_MAGIC)) == _MAGIC:
            place = "" if is_told else _root(path)
            below = [image for image in rest if not place or image.startswith(f"{place}/")]
            taken = _take(folder, claims, path=path, images=below)
            rest = [image for image in rest if image not in taken]
    return claims


def _root(path: str) -> str:
    """The folder whose images the database may tell of."""
    place = folder_of(path)
    return folder_of(place) if base_name(place).lower() in _DATA_FOLDERS else place


def _take(folder: Folder, claims: Claims, *, path: str, images: list[str]) -> set[str]:
    """Claim the images that a database knows; which they are."""
    ids: dict[int, list[str]] = {}
    try:
        with contextlib.closing(_open(folder, path)) as base:
            if not _tables(base) >= _TABLES:
                return set()
            ids = _ids(base, images)
            batch = _BATCH if _has_index(base) else _BATCH_WITHOUT_INDEX
            rows = [
                (image, post)
                for post in _posts(base, sorted(ids), batch=batch)
                for image in ids.get(post["id"], ())
            ]  # fmt: skip
    except (sqlite3.Error, OverflowError) as error:
        # also what is whole in it is left: rows of a damaged database may be another post's
        claims.aside.append(Aside(path, f"a damaged database ({error}); its images are imported without it"))
        return set()
    if not rows:
        claims.aside.append(Aside(path, "a database that knows none of the images that are here"))
        return set()
    claims.used.add(path)
    claims.found.extend(_found(folder, path, image=image, row=row) for image, row in rows)
    return {image for image, _ in rows}


def _found(folder: Folder, path: str, *, image: str, row: dict[str, Any]) -> Found:
    rating = row.get("rating")
    letter = _RATINGS[rating] if isinstance(rating, int) and 0 <= rating < len(_RATINGS) else None
    facts = read_facts({**row, "rating": letter}, site="danbooru", upstream=row)
    problems = [f"{path}: post {row['id']}: {one}" for one in (facts.problems if facts else ())]
    if letter is None and rating is not None:
        problems.append(f"{path}: post {row['id']}: field 'rating' is {str(rating)[:40]!r}, not 0 to 3")
    return Found(
        image=image,
        caption=folder.caption_of(image),
        scraped=facts.scraped if facts else None,
        sidecar=path,
        concept=_concept(folder, path, image),
        problems=tuple(problems),
    )


def _concept(folder: Folder, path: str, image: str) -> str:
    """The folder that holds the database, for images in a shard; others have a folder of their own."""
    holder = base_name(folder_of(image))
    if holder and not _SHARD.fullmatch(holder) and holder != "images":
        return ""
    return base_name(_root(path)) or folder.name


def _open(folder: Folder, path: str) -> sqlite3.Connection:
    place = quote(os.fsencode(folder.path_of(path).absolute()))
    base = sqlite3.connect(f"file:{place}?mode=ro&immutable=1", uri=True)
    base.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _MAX_VALUE_BYTES)
    base.text_factory = lambda data: data.decode("utf-8", "replace")
    base.execute("PRAGMA trusted_schema = OFF")
    base.execute("PRAGMA query_only = ON")
    return base


def _tables(base: sqlite3.Connection) -> set[str]:
    """Names of real tables, in lower case; a view could ask for anything."""
    rows = base.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%'")
    return {str(name).lower() for (name,) in rows}


def _has_index(base: sqlite3.Connection) -> bool:
    names = [row[1] for row in base.execute("PRAGMA index_list(posttagrelation)")]
    return any(_first_column(base, str(name)) == "post_id" for name in names)


def _first_column(base: sqlite3.Connection, index: str) -> str:
    row = base.execute("SELECT name FROM pragma_index_info(?) WHERE seqno = 0", (index,)).fetchone()
    return str(row[0]) if row else ""


def _ids(base: sqlite3.Connection, images: Iterable[str]) -> dict[int, list[str]]:
    """Post id → images, by their names or, for images of other names, by the database's own list of files."""
    found: dict[int, list[str]] = {}
    others: dict[str, list[str]] = {}
    for image in images:
        stem = base_name(split_path(image)[0])
        if stem.isascii() and stem.isdigit() and int(stem[:18]) < _MAX_ID and str(int(stem[:18])) == stem:
            found.setdefault(int(stem), []).append(image)
        else:
            others.setdefault(base_name(image), []).append(image)
    if others and "localpost" in _tables(base):
        for path, post in base.execute("SELECT filepath, post_id FROM localpost WHERE filepath IS NOT NULL"):
            name = base_name(str(path).replace("\\", "/"))
            if isinstance(post, int):
                found.setdefault(post, []).extend(others.pop(name, ()))
    return found


def _posts(base: sqlite3.Connection, ids: Sequence[int], *, batch: int) -> Iterator[dict[str, Any]]:
    """Rows of the posts in danbooru's words: every column, and a text of tags for each category."""
    left = iter(ids)
    while some := list(islice(left, batch)):
        marks = ",".join("?" * len(some))
        cursor = base.execute(f"SELECT * FROM post WHERE id IN ({marks})", some)
        names = [column[0] for column in cursor.description]
        posts = {row["id"]: row for values in cursor if "id" in (row := _plain(names, values))}
        question = (
            "SELECT relation.post_id, tag.type, tag.name FROM posttagrelation AS relation "
            f"JOIN tag ON tag.id = relation.tag_id WHERE relation.post_id IN ({marks})"
        )
        tags: dict[tuple[int, str], list[str]] = {}
        for number, (post, kind, name) in enumerate(base.execute(question, some)):
            if number >= _MAX_TAGS * len(some):
                raise sqlite3.DataError("more tags than posts can have")
            tags.setdefault((post, _category(kind)), []).append(str(name))
        for (post, category), texts in tags.items():
            if post in posts:
                posts[post][f"tag_string_{category}"] = " ".join(sorted(texts))
        yield from posts.values()


def _category(kind: object) -> str:
    return _CATEGORIES[kind] if isinstance(kind, int) and 0 <= kind < len(_CATEGORIES) else "general"


def _plain(names: Sequence[str], values: Sequence[object]) -> dict[str, Any]:
    """A row as JSON can hold it; whole numbers of SQLite stand for truth values too."""
    return {name: repr(one) if isinstance(one, bytes) else one for name, one in zip(names, values, strict=True)}


SOURCE = Source(name="hakubooru", title="HakuBooru database", rank=15, claim=_claim)
