"""Whether a query finds one item, from that item's own facts: for stages and exports, which hold no table of them.

It means what `dsk find` means, since both are evaluated alike: an item is a table of one row.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, Final

import msgspec

from datakit.errors import ConfigError, UsageError
from datakit.model.item import concept_of, stem_of
from datakit.model.record import CATEGORIES, Record
from datakit.tags.captions import tags_in
from datakit.tags.names import to_canonical
from datakit.tags.query.evaluating import evaluate, is_late, normal_format, walk
from datakit.tags.query.parsing import (
    EVERYTHING,
    And,
    Between,
    Compare,
    Match,
    Near,
    Node,
    Not,
    Or,
    format_query,
    parse_query,
)
from datakit.tags.query.words import seconds_of

NOTHING: Final = Not(EVERYTHING)
OF_PIXELS: Final = frozenset({"width", "height", "mp", "ratio"})
"""Words that ask for the size of an image in pixels, which its file has to be opened for."""
_FIELDS: Final = {
    **{name: name for name in ("score", "favorites")},
    "date": "created_at",
    "updated": "updated_at",
    "imported": "imported_at",
}
"""Word → the record's field that has its number or its moment."""


class ItemFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a query may ask of one item of one stage."""

    key: str
    """`concept/stem`."""
    caption: str | None = None
    """In that stage."""
    record: Record | None = None
    extension: str = ""
    """Of the stage's image; '' where it has none."""
    size_px: tuple[int, int] | None = None
    """(width, height) of the stage's image, as stored; None where it is not known."""
    size_bytes: int | None = None
    """Of the stage's image."""
    counts_record: bool = False
    """Whether the record's tags are the item's too, as they are until captions are made of them."""


def parse_where(text: str, *, where: str) -> Node:
    """The query in a setting, which is asked of one item at a time.

    Raises:
        ConfigError: no query, or one that asks for more than the item itself; names the setting `where`.
    """
    try:
        node = parse_query(text)
    except UsageError as error:
        raise ConfigError(f"{where}: {error.message}", hint=error.hint) from error
    for part in walk(node):
        if is_late(part):
            raise ConfigError(
                f"{where}: '{format_query(part)}' asks for more than the item itself",
                hint="here a query may ask for tags, names, records and the image's size, not for near-duplicate-of:, "
                "in:, tokens or has:conflict",
            )
    return node


def matches(node: Node, item: ItemFacts) -> bool:
    """Whether a query finds the item.

    Raises:
        ConfigError: it asks for more than the item itself.
    """
    return evaluate(node, _OneRow(item), 1) == 1


def left_of_pixels(nodes: Sequence[Node], item: ItemFacts) -> list[Node]:
    """What is left of each query when all is known but the size of the image in pixels.

    `EVERYTHING` or `NOTHING` where that does not matter. Else a query of `OF_PIXELS` words alone, which finds the item
    exactly if the whole query does.

    Raises:
        ConfigError: one asks for more than the item itself.
    """
    row = _OneRow(item)
    return [_left(node, row) for node in nodes]


def _left(node: Node, row: _OneRow) -> Node:
    if isinstance(node, Compare | Between) and node.word in OF_PIXELS:
        return node
    if isinstance(node, Not):
        part = _left(node.part, row)
        return EVERYTHING if part == NOTHING else Not(part)
    if isinstance(node, And | Or):
        decided, neutral = (NOTHING, EVERYTHING) if isinstance(node, And) else (EVERYTHING, NOTHING)
        parts = tuple(part for part in (_left(one, row) for one in node.parts) if part != neutral)
        if decided in parts:
            return decided
        return type(node)(parts) if len(parts) > 1 else parts[0] if parts else neutral
    return EVERYTHING if evaluate(node, row, 1) else NOTHING


class _OneRow:
    """An item as the table that queries are evaluated on; what nobody asks for is not worked out."""

    num_rows = 1

    def __init__(self, item: ItemFacts) -> None:
        self._item = item
        self._known: dict[str, frozenset[str]] = {}

    def values(self, word: str) -> Sequence[str]:
        return sorted(self._values(word))

    def having(self, word: str, values: Iterable[str]) -> int:
        return int(not self._values(word).isdisjoint(values))

    def column(self, word: str) -> Sequence[str]:
        return (text_of(self._item, word),)

    def numbers(self, word: str) -> Sequence[float]:
        return (float(len(self._values("tag"))) if word == "num-tags" else number_of(self._item, word),)

    def late(self, node: Match | Compare | Between | Near, within: int) -> int:
        raise ConfigError(f"'{format_query(node)}' asks for more than the item itself", hint="dsk find answers it")

    def _values(self, word: str) -> frozenset[str]:
        found = self._known.get(word)
        if found is None:
            is_tagged = word == "has-tag" and bool(self._values("tag"))
            found = frozenset(("yes",)) if is_tagged else frozenset(values_of(self._item, word))
            self._known[word] = found
        return found


def values_of(item: ItemFacts, word: str) -> Iterable[str]:
    """The values that the item has of a word."""
    record = item.record
    if word == "concept":
        return (concept_of(item.key),)
    if word == "format":
        return (normal_format(item.extension),) if item.extension else ()
    if word == "has":
        return _having(item)
    if word == "tag":
        recorded = CATEGORIES if item.counts_record else ()
        return chain(tags_in(item.caption or ""), *(values_of(item, name) for name in recorded))
    if record is None:
        return ()
    if word in CATEGORIES:
        return filter(None, map(to_canonical, record.tags.get(word, ())))
    text = {"rating": record.rating, "site": record.site.replace("\0", " ")}.get(word, "")
    return (text,) if text else ()


def _having(item: ItemFacts) -> Iterable[str]:
    record = item.record
    is_so = {"image": bool(item.extension), "caption": item.caption is not None, "record": record is not None}
    if record is not None:
        is_so["parent"] = bool(record.parent_id)
        is_so["children"] = record.has_children or bool(record.children)
    return (name for name, holds in is_so.items() if holds)


def text_of(item: ItemFacts, word: str) -> str:
    """The text of a word; '' where it has none."""
    if word == "item":
        return item.key
    if word == "name":
        return stem_of(item.key)
    if word == "caption":
        return (item.caption or "").replace("\0", " ")
    record = item.record
    return "" if record is None else {"id": record.post_id, "md5": record.md5, "parent": record.parent_id}[word]


def number_of(item: ItemFacts, word: str) -> float:
    """The number of a word other than `num-tags`; not a number where it is not known."""
    if word in OF_PIXELS:
        width, height = item.size_px or (math.nan, math.nan)
        if word == "ratio":
            return width / height if height else math.nan
        return {"width": width, "height": height, "mp": width * height / 1e6}[word]
    record: Any = item.record
    found = item.size_bytes if word == "size" else getattr(record, _FIELDS[word], None)
    if isinstance(found, str):
        return seconds_of(found) if found else math.nan
    return math.nan if found is None else float(found)
