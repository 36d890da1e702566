"""Categories behind the type numbers of tag lists, which every site counts in its own way.

danbooru.csv, e621.csv and their merger are those of tag-complete (DominikDoom/a1111-sd-webui-tagcomplete); the merger
adds 7 to e621's numbers (DraconicDragon/danbooru-e621-tag-list-processor). 9 and 10 are ratings and years in the lists
of taggers, and no tags. derpibooru.csv has numbers of its own, and namespaces in its names.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Final

from datakit.model.record import CATEGORIES
from datakit.tags.vocabulary.lists import Row, canonical_name

NO_TAG: Final = ""
"""Of a rating or a year, which is left out."""

_DANBOORU: Final = {0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "meta"}
_E621: Final = {
    0: "general", 1: "artist", 3: "copyright", 4: "character", 5: "species", 7: "meta",
    **dict.fromkeys((-1, 2, 6, 8), "meta"),
}  # fmt: skip
"""-1 and 6 are invalid tags, 2 contributors, 8 lore: meta, as in the records of e621's posts."""
_MERGED: Final = {**_DANBOORU, **{number + 7: category for number, category in _E621.items()}}
_OF_TAGGERS: Final = {9: NO_TAG, 10: NO_TAG}
_WORDS: Final = {
    **dict(zip(CATEGORIES, CATEGORIES, strict=True)),
    "contributor": "meta",
    "lore": "meta",
    "invalid": "meta",
    "rating": NO_TAG,
}

_DERPIBOORU: Final = {
    "0": "general", "1": "copyright", "3": "species", "4": "character", "5": "general", "6": "general",
    "7": "character", "8": "meta", "9": "meta", "11": "copyright",
}  # fmt: skip
"""1 is official content, 4 original characters, 5 ratings, 6 body types, 8 origin, 9 errors, 11 works of fans."""
_NAMESPACES: Final = {
    **dict.fromkeys(("comic", "fanfic", "series"), "copyright"),
    **dict.fromkeys(("editor", "prompter"), "meta"),
    "artist": "artist",
    "oc": "character",
}
_RATINGS: Final = frozenset({"safe", "suggestive", "questionable", "explicit"})


def in_words(rows: Sequence[Row]) -> Sequence[Row]:
    """Derpibooru's rows with words for their types and names without namespaces, as in records; others as they are."""
    if not any(row.name.startswith("artist:") for row in rows):
        return rows
    return [_in_words(row) for row in rows]


def _in_words(row: Row) -> Row:
    namespace, name = _split(row.name)
    kind = _NAMESPACES.get(namespace) or _DERPIBOORU.get(row.kind, row.kind)
    if row.name in _RATINGS:
        kind = "rating"
    aliases = ",".join(_split(piece.strip())[1] for piece in row.aliases.split(","))
    return row._replace(name=canonical_name(name), kind=kind, aliases=aliases)


def _split(text: str) -> tuple[str, str]:
    """A known namespace or '', and the name in it."""
    namespace, _, name = text.partition(":")
    return (namespace, name) if name.strip("_") and namespace in _NAMESPACES else ("", text)


def category_reader(kinds: Collection[str], *, is_merged: bool) -> Callable[[str], str | None]:
    """What tells a tag's category, NO_TAG or, for a type that means nothing, None.

    Number 5 is meta in danbooru's lists and species in e621's, which are told by numbers that only they use.

    Args:
        kinds: all types of the list, numbers or words.
        is_merged: whether the list may be one of both sites.
    """
    numbers = {int(kind) for kind in kinds if _is_number(kind)}
    if is_merged and numbers & {9, 10, 11, 12, 13, 14, 15}:
        table = _MERGED
    else:
        table = {**(_E621 if numbers & {-1, 2, 6, 7, 8} else _DANBOORU), **({} if is_merged else _OF_TAGGERS)}
    known = {**{str(number): category for number, category in table.items()}, **_WORDS}
    return lambda kind: known.get(kind.lower())


def _is_number(kind: str) -> bool:
    digits = kind.removeprefix("-")
    return digits.isascii() and digits.isdigit() and len(digits) < 4
