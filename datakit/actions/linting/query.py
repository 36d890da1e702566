"""Which findings a query means: those of items that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

from datakit.images.looks import MEASURED
from datakit.lint.collection import Collection
from datakit.lint.model import Finding
from datakit.model.item import split_path
from datakit.tags.query.evaluating import walk
from datakit.tags.query.matching import OF_PIXELS, ItemFacts, matches, parse_where
from datakit.tags.query.parsing import Node


class Matcher:
    """Asks queries of the items of some collections; each item's answer is worked out once for each query."""

    def __init__(self, collections: Sequence[Collection]) -> None:
        self._collections = {collection.stage: collection for collection in collections}
        self._finds = cache(self._ask)

    def finds(self, query: str, finding: Finding, *, where: str) -> bool:
        """Whether a query finds the item of a finding; what concerns no item, no query finds.

        Raises:
            ConfigError: no query, or one that asks for more than the item itself; names the setting `where`.
        """
        node = _parsed(query, where)
        if not finding.item or finding.stage not in self._collections:
            return False
        return bool(self._finds(query, where, finding.stage, finding.item) if node is not None else True)

    def _ask(self, query: str, where: str, stage: str, key: str) -> bool:
        node = _parsed(query, where)
        return matches(node, _facts_of(self._collections[stage], key, node))


@cache
def _parsed(query: str, where: str) -> Node:
    return parse_where(query, where=where)


def _facts_of(collection: Collection, key: str, node: Node) -> ItemFacts:
    images, captions = collection.images_of.get(key, ()), collection.captions_of.get(key, ())
    asks_size = any(getattr(part, "word", "") in OF_PIXELS for part in walk(node))
    known: Any = collection.looked(images[0], MEASURED) if images and asks_size else {}
    return ItemFacts(
        key=key,
        caption=collection.read_captions[captions[0]].text
        if captions and captions[0] in collection.read_captions
        else None,
        record=collection.context.record(key),
        extension=split_path(images[0])[1] if images else "",
        size_px=tuple(known["size_px"]) if "size_px" in known else None,
        counts_record=not captions,
    )
