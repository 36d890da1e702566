"""Fields of untrusted metadata, read with the type that they should have; what is wrong is noted, never raised."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Mapping
from typing import Any, Final

from datakit.model.record import CATEGORIES
from datakit.sources.reading.moments import moment
from datakit.tags.names import to_canonical

CATEGORY_WORDS: Final = {
    **dict.fromkeys(("artist", "artists", "creator", "mangaka", "author", "circle", "group", "director"), "artist"),
    **dict.fromkeys(("character", "characters", "char", "oc"), "character"),
    **dict.fromkeys(
        ("copyright", "copyrights", "copyright_other", "series", "game", "parody", "franchise"), "copyright"
    ),
    **dict.fromkeys(("studio", "movie", "ova", "ip"), "copyright"),
    "species": "species",
    "general": "general",
    **dict.fromkeys(("meta", "metadata", "medium", "genre", "lore", "invalid", "contributor", "faults"), "meta"),
    **dict.fromkeys(("source", "language", "reclass", "editor", "deprecated"), "meta"),
}
"""What sites call the categories of their tags → ours; tags under any other word are general."""

_SHOWN: Final = 40
_MAX: Final = (1 << 63) - 1
_TRUE: Final = frozenset({"true", "1", "yes", "t"})
_FALSE: Final = frozenset({"false", "0", "no", "f", ""})
_NO_POST: Final = frozenset({"0", "none", "null", "nil"})
_CACHED: Final = 1 << 17


class Post:
    """One object of metadata. Asking for a field of a wrong type notes a problem and gives what stands for nothing.

    A field may be called by a path: `score.total`. Several names are tried in their order; the first that has a value
    counts.
    """

    def __init__(self, data: Mapping[str, Any]) -> None:
        self.data = data
        self.problems: list[str] = []

    def value(self, *names: str) -> tuple[str, Any]:
        """(name, value) of the first of the fields that is there and not null; ('', None) for none."""
        for name in names:
            found = self.data.get(name)
            if found is None and "." in name:
                found = self.data
                for part in name.split("."):
                    found = found.get(part) if isinstance(found, Mapping) else None
            if found is not None:
                return name, found
        return "", None

    def note(self, field: str, value: object, wanted: str) -> None:
        """Note that a field is not what it should be."""
        shown = repr(value) if isinstance(value, str | int | float) else f"a {type(value).__name__}"
        self.problems.append(f"field '{field}' is {shown[:_SHOWN]}, not {wanted}")

    def text(self, *names: str) -> str:
        """A text, with HTML entities resolved; a number as its digits; '' for none."""
        name, found = self.value(*names)
        if found is None:
            return ""
        if isinstance(found, str):
            return _plain(found)
        if isinstance(found, int | float) and not isinstance(found, bool):
            return str(int(found)) if isinstance(found, float) and found.is_integer() else str(found)
        self.note(name, found, "a text or number")
        return ""

    def integer(self, *names: str) -> int | None:
        """A whole number, also one written as a text; None for none."""
        name, found = self.value(*names)
        if found is None or found == "":
            return None
        number = _whole_number(found)
        if number is None:
            self.note(name, found, "a number")
        return number

    def flag(self, *names: str) -> bool | None:
        """A truth value, also one written as a text or number; None for none."""
        name, found = self.value(*names)
        if isinstance(found, bool) or found is None:
            return found
        word = str(found).strip().lower() if isinstance(found, str | int) else ""
        if isinstance(found, str | int) and (word in _TRUE or word in _FALSE):
            return None if word == "" else word in _TRUE
        self.note(name, found, "true or false")
        return None

    def word(self, meanings: Mapping[str, str], *names: str) -> str:
        """What a word stands for, in any case; '' for none, and for one without a meaning, which is noted."""
        name, found = self.value(*names)
        text = self.text(*names).lower()
        if text and text not in meanings:
            self.note(name, found, f"one of {', '.join(meanings)}")
        return meanings.get(text, "")

    def post_id(self, *names: str) -> str:
        """Id of another post; 0, null and '' stand for none."""
        found = self.text(*names)
        return "" if found.lower() in _NO_POST else found

    def post_ids(self, *names: str) -> tuple[str, ...]:
        """Ids of other posts: a list of them, or of objects with an `id`, or one text with blanks or commas between."""
        name, found = self.value(*names)
        rows = found.replace(",", " ").split() if isinstance(found, str) else found
        if rows is None or not isinstance(rows, list | tuple):
            if rows is not None:
                self.note(name, found, "a list of ids")
            return ()
        ids = (row.get("id") if isinstance(row, Mapping) else row for row in rows)
        return tuple(str(one) for one in ids if isinstance(one, str | int) and not isinstance(one, bool) and one)

    def texts(self, *names: str) -> tuple[str, ...]:
        """A list of texts; one text counts as a list of one, and objects by their `name`, `tag` or first of `names`."""
        return self._texts_of(*self.value(*names))

    def _texts_of(self, name: str, found: Any) -> tuple[str, ...]:
        if found is None or found == "":
            return ()
        rows = found if isinstance(found, list | tuple) else [found]
        made: list[str] = []
        for number, row in enumerate(rows):
            text = _row_text(row) if isinstance(row, Mapping) else row
            if isinstance(text, str | int) and not isinstance(text, bool):
                made.append(str(text).strip())
            elif row is not None:
                self.note(f"{name}[{number}]" if rows is found else name, row, "a text")
        return tuple(filter(None, made))

    def links(self, *names: str) -> tuple[str, ...]:
        """Every address that all of these fields hold; what is no address is left out."""
        found: list[str] = []
        for name in names:
            value = self.value(name)[1]
            rows = [self.text(name)] if value is not None and not isinstance(value, list | tuple) else self.texts(name)
            words = (_plain(word) for row in rows for word in row.split())
            found += (f"https:{word}" if word.startswith("//") else word for word in words if "//" in word)
        return tuple(dict.fromkeys(found))

    def tags(self, *names: str, separator: str | None = None) -> tuple[str, ...]:
        """Canonical names, each once, of a text with tags or a list of them, also a dict tag → anything.

        A text is split at blanks; at commas where it has any before a blank; or at `separator` where one is given.
        """
        return self._tags_of(*self.value(*names), separator=separator)

    def _tags_of(self, name: str, found: Any, *, separator: str | None = None) -> tuple[str, ...]:
        if found is None:
            return ()
        if isinstance(found, str):
            return canonical(found.split(separator or (", " if ", " in found else None)))
        if isinstance(found, Mapping):
            return canonical(str(key) for key in found)
        if isinstance(found, list | tuple):
            return canonical(self._texts_of(name, found))
        self.note(name, found, "a text or list of tags")
        return ()

    def nested_tags(self, name: str) -> dict[str, tuple[str, ...]]:
        """Our category → tags, of one field that is an object: category → list of tags, or tag → its score."""
        found = self.value(name)[1]
        if not isinstance(found, Mapping):
            return {}
        if all(isinstance(one, int | float) for one in found.values()):
            return in_order([("general", self._tags_of(name, found))])
        rows = ((str(word), tags) for word, tags in found.items())
        return in_order(
            (CATEGORY_WORDS.get(word.lower(), "general"), self._tags_of(f"{name}.{word}", tags)) for word, tags in rows
        )

    def by_category(self, *every: str) -> dict[str, tuple[str, ...]]:
        """Our category → tags, of all fields such as `tags_artist` or `tag_string_artist`.

        Args:
            every: fields that may hold all tags of the post; those that no category holds are general.
        """
        found: list[tuple[str, tuple[str, ...]]] = []
        seen: set[str] = set()
        for field in [key for key in self.data if key[:3] == "tag"]:
            word = field.removeprefix("tags_" if field.startswith("tags_") else "tag_string_")
            category = CATEGORY_WORDS.get(word)
            if category and word not in seen and (tags := self._tags_of(field, self.data[field])):
                seen.add(word)
                found.append((category, tags))
        if _how_many(self.value(*every)[1]) != sum(len(tags) for _, tags in found):
            taken = {tag for _, tags in found for tag in tags}
            found.append(("general", tuple(tag for tag in self.tags(*every) if tag not in taken)))
        return in_order(found)

    def moment(self, *names: str) -> str:
        """A point in time as UTC, `2015-04-14T01:25:01Z`; '' for none. What has no zone is taken as UTC."""
        name, found = self.value(*names)
        if isinstance(found, Mapping):  # moebooru's {"json_class": "Time", "s": 1428974701, "n": 0}
            found = found.get("s")
        if found is None or found == "":
            return ""
        made = moment(found)
        if not made:
            self.note(name, found, "a date")
        return made


def _how_many(tags: object) -> int:
    """How many tags a field holds, without reading them; 0 where only reading can tell."""
    if isinstance(tags, str):
        return tags.count(" ") + 1 if tags and ", " not in tags else 0
    return len(tags) if isinstance(tags, list) else 0


def in_order(found: Iterable[tuple[str, Iterable[str]]]) -> dict[str, tuple[str, ...]]:
    """(our category, tags) several times each → one entry for each category that has tags, in the usual order."""
    merged: dict[str, tuple[str, ...]] = {}
    for category, tags in found:
        known = merged.get(category)
        merged[category] = tuple(dict.fromkeys((*known, *tags))) if known else tuple(tags)
    return {name: merged[name] for name in CATEGORIES if merged.get(name)}


def by_prefix(names: Iterable[str], categories: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Our category → tags, of names such as `artist:x`; a word that is no category's is part of the name."""
    found: list[tuple[str, tuple[str, ...]]] = []
    for name in names:
        word, colon, rest = name.partition(":")
        category = categories.get(word.strip().lower()) if colon else None
        found.append((category, canonical([rest])) if category else ("general", canonical([name])))
    return in_order(found)


def canonical(names: Iterable[str]) -> tuple[str, ...]:
    """Canonical names of tags, each once, in their order."""
    rows = names if isinstance(names, list | tuple) else list(names)
    try:
        found = dict.fromkeys(map(_canonical.__getitem__, rows))
    except KeyError:
        if len(_canonical) > _CACHED:
            _canonical.clear()
        _canonical.update((name, to_canonical(name)) for name in rows)
        found = dict.fromkeys(map(_canonical.__getitem__, rows))
    found.pop("", None)
    return tuple(found)


_canonical: Final[dict[str, str]] = {}
"""A name as it is written → its canonical name; a scrape has the same tags over and over."""


def _plain(text: str) -> str:
    if "\x00" in text:
        text = text.replace("\x00", "")
    return html.unescape(text).strip() if "&" in text else text.strip()


def _row_text(row: Mapping[str, Any]) -> Any:
    """What an object in a list of tags is called; one of its fields may be such an object again."""
    names = row.get("names")
    first = names[0] if isinstance(names, list) and names else None
    found = next((one for one in (row.get("name"), row.get("tag"), row.get("tagName"), first) if one is not None), None)
    return next((found[key] for key in ("name", "tag") if key in found), None) if isinstance(found, Mapping) else found


def _whole_number(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value) if isinstance(value, int | str) else int(value if math.isfinite(value) else math.nan)
    except ValueError:
        try:
            number = int(float(value))
        except (ValueError, OverflowError):
            return None
    return number if abs(number) <= _MAX else None
