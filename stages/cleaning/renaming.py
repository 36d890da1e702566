"""Tags that are written as another one: `replace`, and the vocabulary's aliases."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from datakit.model.stage import Origin
from datakit.tags.renaming import Renames
from stages.cleaning.steps import Item, Tags


class Renaming:
    """Both of them, in one look at each tag."""

    def __init__(self, renames: Renames) -> None:
        self._renames = renames
        self._names = renames.names
        self._is_renamed = cache(lambda tag: renames.names(tag) != (tag,))

    def leaves_out(self, name: str, was: str, item: Item) -> bool:
        """Whether a tag is not written by its own name, or by the trigger."""
        del was
        return name in item.triggers or self._is_renamed(name)

    def run(self, tags: Tags, item: Item) -> Tags:
        """Write each tag's names in its place; what the trigger says is not repeated."""
        names = self._names
        if not any(map(self._is_renamed, tags)):
            return tags
        found: Tags = {}
        for tag, was in tags.items():
            for name in names(tag):
                if name not in item.triggers:
                    found.setdefault(name, name if name in tags else was)
        return found

    def tell(self, before: Tags, after: Tags, item: Item) -> Iterator[tuple[str, Origin]]:
        """Of the old name what it became, of the new one what it was."""
        del item
        for tag in before:
            names = self._names(tag)
            if names == (tag,):
                continue
            kind, detail = "alias", f"of {', '.join(names)}"
            if self._renames.is_replaced(tag):
                kind, detail = "replace", f"cleaned.replace: {tag} → {', '.join(names) or 'nothing'}"
            if tag not in after:
                yield tag, Origin(kind=kind, detail=detail, removed=True)
            for name in names:
                if name not in before and after.get(name) == tag:
                    yield name, Origin(kind=kind, detail=detail, was=tag)
