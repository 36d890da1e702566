"""Tags that are left out: of the blacklists, of categories, of a concept's fixed traits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from typing import Final

from datakit.model.stage import Origin
from datakit.tags.patterns import TagPatterns
from stages.cleaning.steps import CategoryOf, Item, Tags, removed

_NONE: Final = TagPatterns(())


class Blacklist:
    """The settings' own, and the dataset's."""

    def __init__(
        self, own: TagPatterns, others: Collection[str], categories: Collection[str], category_of: CategoryOf
    ) -> None:
        """`others`: of `vocab/blacklist.txt`."""
        self._own, self._others = own, others
        self._is_in = cache(self.__contains__)
        self._categories, self._category_of = categories, category_of

    def __bool__(self) -> bool:
        return bool(self._own or self._others or self._categories)

    def __contains__(self, tag: object) -> bool:
        """Whether a name is blacklisted, whatever its category."""
        return tag in self._own or tag in self._others

    def leaves_out(self, name: str, was: str, item: Item) -> bool:
        """Whether a tag goes."""
        if self._is_in(name):
            return True
        return bool(self._categories) and self._category_of(name, was, item) in self._categories

    def run(self, tags: Tags, item: Item) -> Tags:
        """Without those."""
        gone = {*filter(self._is_in, tags)}
        if self._categories:
            gone.update(name for name, was in tags.items() if self._category_of(name, was, item) in self._categories)
        return {name: was for name, was in tags.items() if name not in gone} if gone else tags

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """Which list it was."""
        for name in removed(before, after):
            if name in self._own:
                entry = self._own.which(name)
                detail = f"cleaned.blacklist: {entry}" if "*" in entry else "cleaned.blacklist"
            elif name in self._others:
                detail = "vocab/blacklist.txt"
            else:
                detail = f"cleaned.blacklist_categories: {self._category_of(name, before[name], item)}"
            yield name, Origin(kind="blacklist", detail=detail, removed=True)


class Pruning:
    """The traits of each concept, which its trigger stands for."""

    def __init__(self, prune: Mapping[str, Collection[str]], canonical: Callable[[str], str] | None) -> None:
        self._of = {concept: TagPatterns(tags, canonical=canonical) for concept, tags in prune.items()}
        self._is_trait = {concept: cache(traits.__contains__) for concept, traits in self._of.items()}

    def leaves_out(self, name: str, was: str, item: Item) -> bool:
        """Whether a tag goes."""
        del was
        return name in self._of.get(item.concept, _NONE)

    def run(self, tags: Tags, item: Item) -> Tags:
        """Without those."""
        is_trait = self._is_trait.get(item.concept)
        gone = {*filter(is_trait, tags)} if is_trait is not None else ()
        return {name: was for name, was in tags.items() if name not in gone} if gone else tags

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """Whose trait it is."""
        for name in removed(before, after):
            entry = self._of[item.concept].which(name)
            detail = f"cleaned.prune.{item.concept}" + (f": {entry}" if "*" in entry else "")
            yield name, Origin(kind="prune", detail=detail, removed=True)
