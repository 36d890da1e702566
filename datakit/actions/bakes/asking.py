"""What one bake is asked to do: [bake] of dsk.toml, and what a command lays over it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from datakit.actions.project import BAKE, BAKE_TABLES, PRESET, Project
from datakit.errors import UsageError
from datakit.registry import nearest

RIVALS: Final = (["train", "steps"], ["train", "epochs"])
"""Only one of them is set: who names one takes back the other, as the trainer does."""
_EXAMPLE: Final = "as in --set optimizer.learning_rate=5e-5"


class Wishes(msgspec.Struct, frozen=True, kw_only=True):
    """The words of one `dsk bake`."""

    sets: tuple[str, ...] = ()
    """`section.key=value`, over [bake]."""
    preset: str = ""
    vram_gib: int = 0
    """Memory of the GPU to plan for; 0: as [bake] says."""
    processes: int = 0
    """How many train at the same time; 0: one."""
    note: str = ""
    force: bool = False
    """Go past the errors that lint finds."""


NO_WISHES: Final = Wishes()


def asked_tables(project: Project, wishes: Wishes) -> dict[str, Any]:
    """[bake] with the wishes laid over it; what the ledger keeps.

    Raises:
        UsageError: a `--set` that sets nothing.
    """
    tables = with_sets(project.table(BAKE), wishes.sets)
    if wishes.preset:
        tables[PRESET] = wishes.preset
    if wishes.vram_gib:
        tables["memory"] = {**tables.get("memory", {}), "vram": wishes.vram_gib}
    return tables


def with_sets(tables: Mapping[str, Any], sets: Sequence[str]) -> dict[str, Any]:
    """The tables with `section.key=value` set; the value is read as TOML, and a word that is none is a text.

    Raises:
        UsageError: a text that is no setting, or an unknown section.
    """
    found = dict(tables)
    for text in sets:
        names, value = read_set(text)
        if names[0] not in BAKE_TABLES and names != [PRESET]:
            like = nearest(names[0], [*BAKE_TABLES, PRESET])
            hint = f"did you mean '{like}'?" if like else f"sections: {', '.join(BAKE_TABLES)}"
            raise UsageError(f"--set {text}: no section '{names[0]}'", hint=hint)
        place = found
        for name in names[:-1]:
            inner = place.get(name, {})
            if not isinstance(inner, Mapping):
                raise UsageError(f"--set {text}: '{name}' is a value, and holds no '{names[-1]}'", hint=_EXAMPLE)
            place[name] = dict(inner)
            place = place[name]
        place[names[-1]] = value
        if names in RIVALS:
            [rival] = [one for one in RIVALS if one != names]
            place.pop(rival[-1], None)
    return found


def read_set(text: str) -> tuple[list[str], Any]:
    """(The key's names, the value) of one `section.key=value`.

    Raises:
        UsageError: it is none.
    """
    key, equals, value = text.partition("=")
    names = _names(key.strip())
    if not equals or not names or (len(names) == 1 and names != [PRESET]):
        raise UsageError(f"--set {text}: is no setting", hint=_EXAMPLE)
    return names, read_value(value.strip())


def read_value(text: str) -> Any:
    """A TOML value; a text that is none stands for itself."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if found.keys() == {"value"} else text


def _names(key: str) -> list[str]:
    """The names of a dotted key; empty where it is none."""
    try:
        place: Any = tomllib.loads(f"{key} = 0") if "\n" not in key else {}
    except tomllib.TOMLDecodeError:
        return []
    names: list[str] = []
    while isinstance(place, dict) and len(place) == 1:
        [(name, place)] = place.items()
        names.append(name)
    return names if place == 0 else []
