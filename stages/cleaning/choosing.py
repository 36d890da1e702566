"""Choosing among a caption's tags: of those that exclude each other, and where there may only be so many."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from datakit.model.stage import Origin
from datakit.tags.exclusive import Rivals, conflicts
from datakit.tags.profiles.profile import PEOPLE
from stages.cleaning.steps import CategoryOf, Item, Tags, removed

_PEOPLE: Final = frozenset((*PEOPLE, "solo", "no_humans"))
_MAY_GO: Final = ("general", "meta")
CountOf = Callable[[str], int]
"""A tag → how many posts have it; 0 for one that nobody knows."""


class DropWeaker:
    """Of two tags that exclude each other, keeps the one with better grounds.

    Weaker is the tag that is only implied; then the one that the site does not say while it says the other; then the
    commoner one in the vocabulary, for the rarer says more; then the later one.
    """

    def __init__(self, rivals: Rivals, count: CountOf) -> None:
        self._rivals, self._count = rivals, count

    def run(self, tags: Tags, item: Item) -> Tags:
        """Without the weaker ones."""
        found = conflicts(tags, self._rivals)
        if not found:
            return tags
        involved = {name for pair in found for name in pair}
        kept: set[str] = set()
        for name in sorted(involved, key=lambda name: self._rank(name, tags, item)):
            if self._rivals[name].isdisjoint(kept):
                kept.add(name)
        gone = involved - kept
        return {name: was for name, was in tags.items() if name not in gone}

    def _rank(self, name: str, tags: Tags, item: Item) -> tuple[bool, bool, int, int]:
        was = tags[name]
        is_said = name in item.of_site or was in item.of_site
        return not was, not is_said, self._count(name), list(tags).index(name)

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """For which."""
        del item
        for name in removed(before, after):
            other = next(other for other in after if other in self._rivals[name])
            yield name, Origin(kind="conflict", detail=f"with {other}", removed=True)


class Limit:
    """Keeps at most so many tags.

    First go those that are only implied, then meta tags, then the commonest in the vocabulary, which say least; of
    equals the later. Names stay (of characters, copyrights, artists, species), and so do tags that count people.
    """

    def __init__(self, most: int, count: CountOf, category_of: CategoryOf) -> None:
        self._most, self._count, self._category_of = most, count, category_of

    def run(self, tags: Tags, item: Item) -> Tags:
        """The first `most` by rank, in the caption's order."""
        too_many = len(tags) - self._most
        if too_many <= 0:
            return tags
        ranked = []
        for place, (name, was) in enumerate(tags.items()):
            category = self._category_of(name, was, item)
            if category in _MAY_GO and name not in _PEOPLE:
                ranked.append((bool(was), category != "meta", -self._count(name), -place, name))
        gone = {row[-1] for row in sorted(ranked)[:too_many]}
        return {name: was for name, was in tags.items() if name not in gone}

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """The setting."""
        del item
        for name in removed(before, after):
            yield name, Origin(kind="limit", detail=f"cleaned.max_tags: {self._most}", removed=True)
