"""How changes of records are shown: one line an item."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from datakit.actions.refreshing import Change
from datakit.cli.output import say, table

_SHOWN = 20
_LONG = 40
_LISTED = 10


def print_list(tell: Callable[[str], None], what: str, lines: Iterable[str]) -> None:
    """The first few lines of a list, and how many more there are."""
    rows = list(lines)
    for line in rows[:_LISTED]:
        tell(f"  {what}: {line}")
    if len(rows) > _LISTED:
        tell(f"  {what}: … and {len(rows) - _LISTED:,} more (--json lists them)")


def print_changes(changes: Sequence[Change]) -> None:
    """A table of what newer metadata changes, item by item."""
    if not changes:
        return
    table(("item", "tags", "other facts"), [(one.key, _tags(one), _fields(one)) for one in changes[:_SHOWN]])
    if len(changes) > _SHOWN:
        say(f"… and {len(changes) - _SHOWN:,} more items (--json lists them)")
    say("")


def _tags(change: Change) -> str:
    parts = [f"{sign}{tag}" for sign, tags in (("+", change.added), ("-", change.removed)) for tag in _all(tags)]
    parts += [f"{tag}: {before} → {after}" for tag, (before, after) in change.moved.items()]
    return " ".join(parts)


def _all(tags: Mapping[str, Sequence[str]]) -> list[str]:
    return [tag for names in tags.values() for tag in names]


def _fields(change: Change) -> str:
    parts = [f"{name} {_short(old)} → {_short(new)}" for name, (old, new) in change.fields.items()]
    parts += [f"{name}: edited by hand, and stays" for name in change.disputes]
    return ", ".join(parts) or ("" if _tags(change) else "only what is kept verbatim")


def _short(value: Any) -> str:
    if value in (None, "", ()):
        return "none"
    text = ", ".join(map(str, value)) if isinstance(value, list | tuple) else str(value)
    return text if len(text) <= _LONG else f"{text[: _LONG - 1]}…"
