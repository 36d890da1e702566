"""Tags that are written as another one: a person's own table, and the vocabulary's aliases.

The table has the last word: it is looked up for the tag as it is, then for the tag that an alias stands for, and what
it writes is never taken for an alias.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from datakit.tags.names import to_canonical


class Renames:
    """What is written for each tag."""

    def __init__(
        self, table: Mapping[str, str | tuple[str, ...]], canonical: Callable[[str], str] | None = None
    ) -> None:
        """`table`: tag → tag, tags between commas, or several; `canonical`: the tag that a name stands for."""
        self.table = {to_canonical(tag): tuple(map(to_canonical, outputs(to))) for tag, to in table.items()}
        self._meant = {name for to in self.table.values() for name in to}
        self._canonical = canonical or str
        self._known: dict[str, tuple[str, ...]] = {}

    def names(self, tag: str) -> tuple[str, ...]:
        """What is written for a tag: most often itself, () where it is taken out."""
        found = self._known.get(tag)
        if found is None:
            found = self._known[tag] = self._looked_up(tag)
        return found

    def is_replaced(self, tag: str) -> bool:
        """Whether the table says so, and not only an alias."""
        return tag in self.table or (tag not in self._meant and self._canonical(tag) in self.table)

    def _looked_up(self, tag: str) -> tuple[str, ...]:
        if tag in self.table:
            return self.table[tag]
        if tag in self._meant:
            return (tag,)
        name = self._canonical(tag)
        return self.table.get(name, (name,))


def outputs(to: str | tuple[str, ...]) -> tuple[str, ...]:
    """What a table writes for a tag; none where it takes the tag out."""
    parts = to.split(",") if isinstance(to, str) else to
    return tuple(filter(None, (part.strip() for part in parts)))
