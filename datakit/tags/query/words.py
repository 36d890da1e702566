"""The words of the query language as data: what each asks for, and how its values are read."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final, Literal, NamedTuple

from datakit.model.order import ORDER
from datakit.model.record import CATEGORIES, RATINGS

Kind = Literal["tag", "text", "choice", "number", "size", "date", "flag", "near"]


class QueryWord(NamedTuple):
    """One word of the language."""

    name: str
    kind: Kind
    summary: str
    example: str
    choices: tuple[str, ...] = ()
    """Of a choice: what may stand behind the colon."""


HAS: Final = ("caption", "record", "image", "parent", "children", "conflict")
NONE: Final = "none"
"""Behind a category: no tag of it at all."""
_STAGES: Final = ORDER[:-1]
_LISTED: Final = (
    QueryWord("tag", "tag", "the caption has this tag; a word alone means the same", "tag:blue_*"),
    *(
        QueryWord(name, "tag", f"the record has this {name} tag; `{NONE}` where it has no such tag", f"{name}:{NONE}")
        for name in CATEGORIES
    ),
    QueryWord("untagged", "flag", "there is no tag at all", "untagged"),
    QueryWord("caption", "text", "the caption's text holds this, in any case of letters", 'caption:"red hat"'),
    QueryWord("num-tags", "number", "number of tags", "num-tags<5"),
    QueryWord("tokens", "number", "number of CLIP tokens of the caption, without the two at its ends", "tokens>75"),
    QueryWord("concept", "text", "the folder, or one that it lies in", "concept:aria*"),
    QueryWord("name", "text", "the file's name without extension", "name:*_0"),
    QueryWord("item", "text", "concept/name", "item:aria/*_0"),
    QueryWord("rating", "choice", "the record's rating, by word or first letter", "rating:g,s", RATINGS),
    QueryWord("score", "number", "the post's score", "score:10..50"),
    QueryWord("favorites", "number", "how many have the post among their favorites", "favorites>=100"),
    QueryWord("date", "date", "when the post was made", "date>=2023-01-01"),
    QueryWord("updated", "date", "when the post was changed last", "updated>2024"),
    QueryWord("imported", "date", "when the item was imported", "imported:2024-06"),
    QueryWord("site", "text", "the site it came from", "site:danbooru"),
    QueryWord("id", "text", "the post's number on its site", "id:123456"),
    QueryWord("md5", "text", "the file's md5, as the site says", "md5:d34e4cf0a437a5d65f8e82b7bcd02606"),
    QueryWord("parent", "text", "the number of the post's parent", "parent:123456"),
    QueryWord("width", "number", "of the stage's image, in pixels", "width>=1024"),
    QueryWord("height", "number", "of the stage's image, in pixels", "height<512"),
    QueryWord("mp", "number", "megapixels: width x height / 1,000,000", "mp>=1"),
    QueryWord("ratio", "number", "width / height; also written as 3:4", "ratio<3:4"),
    QueryWord("size", "size", "of the image's file: b, kb, mb, kib, mib", "size<100kb"),
    QueryWord("format", "text", "of the image's file", "format:png,webp"),
    QueryWord("has", "choice", "there is a caption, a record, …", "has:conflict", HAS),
    QueryWord("in", "choice", "the item has an image in that stage", "-in:wip", _STAGES),
    QueryWord(
        "near-duplicate-of", "near", "the image looks like that item's; `~4` is stricter, `~12` laxer",
        "near-duplicate-of:aria/x~4",
    ),
)  # fmt: skip
WORDS: Final = {word.name: word for word in _LISTED}
COMPARED: Final = frozenset({"number", "size", "date"})

Bounds = tuple[float, float]
"""First and last value that a text means; both belong to it."""

_SIZE: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)([kmg]?i?b|)", re.IGNORECASE)
_UNITS: Final = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "kib": 1 << 10,
    "mib": 1 << 20,
    "gib": 1 << 30,
}
_NUMBER: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
_DATE: Final = re.compile(r"([0-9]{4})(?:-([0-9]{1,2})(?:-([0-9]{1,2}))?)?")
_HOW: Final = {
    "number": "a number, such as 10 or 1.5",
    "size": "a size, such as 100kb or 2mb",
    "date": "a date: 2023, 2023-06 or 2023-06-01",
}


def how_written(kind: Kind) -> str:
    """What a value of a compared word looks like."""
    return _HOW[kind]


def bounds(word: QueryWord, text: str) -> Bounds | None:
    """What the text of a value means; None where it is none. Dates are seconds since 1970, UTC."""
    if word.kind == "date":
        return _date_bounds(text)
    value = _size(text) if word.kind == "size" else _ratio(text) if word.name == "ratio" else _number(text)
    return None if value is None else (value, value)


def _number(text: str) -> float | None:
    return float(text) if _NUMBER.fullmatch(text) else None


def _ratio(text: str) -> float | None:
    left, colon, right = text.partition(":")
    if not colon:
        return _number(text)
    width, height = _number(left), _number(right)
    return width / height if width is not None and height else None


def _size(text: str) -> float | None:
    found = _SIZE.fullmatch(text)
    if found is None or found[2].lower() not in _UNITS:
        return None
    return float(found[1]) * _UNITS[found[2].lower()]


def _date_bounds(text: str) -> Bounds | None:
    found = _DATE.fullmatch(text)
    if found is None:
        return None
    year, month, day = (int(part) if part else 0 for part in found.groups())
    try:
        first = datetime(year, month or 1, day or 1, tzinfo=UTC)
        if day:
            after = first + timedelta(days=1)
        elif month:
            after = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
        else:
            after = datetime(year + 1, 1, 1, tzinfo=UTC)
    except (ValueError, OverflowError):
        return None
    return first.timestamp(), after.timestamp() - 1


def seconds_of(moment: str) -> float:
    """An ISO 8601 moment in seconds since 1970; without a zone it is UTC; not a number where it is none."""
    try:
        found = datetime.fromisoformat(moment)
    except ValueError:
        return float("nan")
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() // 1
