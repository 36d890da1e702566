"""What a step of the cleaning is: a function of one caption's tags, and what it tells of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import NamedTuple, Protocol

from datakit.model.stage import KnownTags, Origin

Tags = dict[str, str]
"""Canonical name → the tag of the caption that it is, or was made of; '' for one that is only implied. In order."""
GENERAL = "general"


class Item(NamedTuple):
    """What the steps know of an item besides its tags."""

    concept: str
    of_site: Mapping[str, str]
    """Tag → category, of what the record says; empty where no step asks."""
    triggers: frozenset[str] = frozenset()
    """Canonical names of the words that call its concept."""


class Step(Protocol):
    """One step."""

    def run(self, tags: Tags, item: Item) -> Tags:
        """The tags after it; they may be the very same dict, which is never changed."""
        ...

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """What became of each tag that it changed."""
        ...


CategoryOf = Callable[[str, str, Item], str]
"""(A tag, the caption's tag that it is, the item) → category."""


def category_reader(known: KnownTags | None) -> CategoryOf:
    """A tag's category: as the site says, else the vocabulary, else general. An alias is of its tag's category."""

    @cache
    def by_vocabulary(name: str) -> str:
        return (known.category(known.canonical(name)) if known is not None else "") or GENERAL

    def category_of(name: str, was: str, item: Item) -> str:
        of_site = item.of_site
        return of_site.get(name) or of_site.get(was) or by_vocabulary(name)

    return category_of


def removed(before: Tags, after: Tags) -> Iterator[str]:
    """Tags that a step took out."""
    return (name for name in before if name not in after)
