"""Three-way merge of settings, key by key: the text of ours stays, with what theirs changed written into it. Pure."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

_ABSENT = object()
Key = tuple[str, ...]


def merge_toml(base: str, ours: str, theirs: str, *, prefer: str = "") -> tuple[str, list[str]]:
    """(The merged text, what both sides changed differently), such as `cleaned.trigger: 'a' here, 'b' there`.

    `prefer` decides those for `ours` or `theirs`; ours stands in the text otherwise.

    Raises:
        tomllib.TOMLDecodeError: a side is no TOML.
    """
    import tomlkit

    sides = [dict(_leaves(tomllib.loads(text))) for text in (base, ours, theirs)]
    document = tomlkit.parse(ours)
    disputes = []
    for key in sorted({*sides[0], *sides[2]}):
        old, here, there = (side.get(key, _ABSENT) for side in sides)
        if there in (old, here):
            continue
        if here != old and prefer != "theirs":
            if not prefer:
                disputes.append(f"{'.'.join(key)}: {_shown(here)} here, {_shown(there)} there")
            continue
        _set(document, key, there)
    return tomlkit.dumps(document), disputes


def _leaves(table: Mapping[str, Any], above: Key = ()) -> Iterator[tuple[Key, Any]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, name))
        else:
            yield (*above, name), value


def _set(document: Any, key: Key, value: object) -> None:
    """Write a value into a document, or take it out, its tables made as they are missed."""
    import tomlkit

    *tables, name = key
    place = document
    for table in tables:
        if table not in place:
            if value is _ABSENT:
                return
            place[table] = tomlkit.table()
        place = place[table]
    if value is _ABSENT:
        place.pop(name, None)
    else:
        place[name] = value


def _shown(value: object) -> str:
    return "not set" if value is _ABSENT else repr(value)
