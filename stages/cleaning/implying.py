"""Tags that others imply: taken out, or added. Only what a caption has implies anything, also by way of others."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from datakit.model.stage import Origin
from stages.cleaning.steps import Item, Tags, removed

ImpliedBy = Callable[[str], frozenset[str]]
"""A tag → all that it implies, without itself."""
_NOTHING: Final[frozenset[str]] = frozenset()
LeavesOut = Callable[[str, str, Item], bool]


class DropImplied:
    """Takes out what another tag says more precisely."""

    def __init__(self, implied: ImpliedBy) -> None:
        self._implied = implied

    def run(self, tags: Tags, item: Item) -> Tags:
        """Without those that another one implies."""
        del item
        said = _NOTHING.union(*map(self._implied, tags))
        return {name: was for name, was in tags.items() if name not in said} if said else tags

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """By which."""
        del item
        for name in removed(before, after):
            by = [other for other in before if name in self._implied(other)]
            by = [other for other in by if other in after] or by
            yield name, Origin(kind="implied", detail=f"by {by[0]}", removed=True)


class AddImplied:
    """Adds what the tags imply behind the tag that implies it, unless another step would not have it there."""

    def __init__(self, implied: ImpliedBy, leaves_out: Sequence[LeavesOut]) -> None:
        self._implied = implied
        self._leaves_out = leaves_out

    def run(self, tags: Tags, item: Item) -> Tags:
        """With all that is missing."""
        if not any(map(self._implied, tags)):
            return tags
        found: Tags = {}
        for name, was in tags.items():
            found.setdefault(name, was)
            for other in sorted(self._implied(name) - tags.keys() - found.keys()):
                if not any(asked(other, "", item) for asked in self._leaves_out):
                    found[other] = ""
        return found

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """By which."""
        del item
        for name in (name for name in after if name not in before):
            by = next(other for other in before if name in self._implied(other))
            yield name, Origin(kind="implied", detail=f"by {by}")
