"""Items into subsets: what is trained alike stands together, under a name that every file system and trainer holds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from datakit.exports.model import ExportItem, Subset
from datakit.exports.settings import Common, Concept
from datakit.model.item import concept_of, stem_of
from datakit.model.naming import MAX_NAME_BYTES, safe_name

UNSORTED = "unsorted"
"""Folder of items that lie in no concept."""
_NO_CONCEPT = Concept()
_FILES = (".json", ".jsonl", ".toml", ".yaml", ".txt", ".sh", ".md", ".csv", ".parquet", ".tar")
"""Endings of the files that formats write beside the folders: `concepts.json` is no folder's name."""


class Treatment(NamedTuple):
    """How one item is trained."""

    concept: str
    repeats: int
    loss_weight: float
    is_validation: bool


def arrange(items: Sequence[ExportItem], treatments: Mapping[str, Treatment], common: Common) -> tuple[Subset, ...]:
    """The subsets, sorted by name; `treatments` has every item's key. Names of items are made unique."""
    groups: dict[Treatment, list[ExportItem]] = {}
    for item in sorted(items, key=lambda one: one.key):
        groups.setdefault(treatments[item.key], []).append(item)
    names = subset_names(groups)
    found = [
        _subset(group, names[group], members, common.concepts.get(group.concept, _NO_CONCEPT))
        for group, members in groups.items()
    ]
    return tuple(sorted(found, key=lambda subset: subset.name))


def _subset(group: Treatment, name: str, members: Sequence[ExportItem], concept: Concept) -> Subset:
    names = unique_names([stem_of(item.key) for item in members])
    return Subset(
        name=name,
        concept=group.concept,
        items=tuple(msgspec.structs.replace(item, name=one) for item, one in zip(members, names, strict=True)),
        repeats=group.repeats,
        class_tokens=concept.class_tokens,
        loss_weight=group.loss_weight,
        is_reg=concept.is_reg,
        is_validation=group.is_validation,
    )


def treat(
    keys: Iterable[str],
    common: Common,
    *,
    repeats: Mapping[str, int],
    weights: Mapping[str, float],
    held_back: frozenset[str],
) -> dict[str, Treatment]:
    """Item key → how it is trained; `repeats` and `weights` are of items, where they differ from their concept's."""
    found = {}
    for key in keys:
        concept = concept_of(key)
        said = common.concepts.get(concept, _NO_CONCEPT)
        found[key] = Treatment(
            concept=concept,
            repeats=repeats.get(key) or said.repeats or common.repeats,
            loss_weight=weights.get(key) or said.loss_weight,
            is_validation=(said.is_validation or key in held_back) and not said.is_reg,
        )
    return found


def subset_names(groups: Iterable[Treatment]) -> dict[Treatment, str]:
    """A folder's name for each group: its concept's, and what parts it from the concept's other groups."""
    groups = list(groups)
    wanted = [_wanted(group, groups) for group in groups]
    return dict(zip(groups, unique_names(wanted), strict=True))


def _wanted(group: Treatment, groups: Sequence[Treatment]) -> str:
    siblings = [other for other in groups if other.concept == group.concept]
    name = safe_name(group.concept.replace("/", "_")) if group.concept else UNSORTED
    if name.lower().endswith(_FILES):
        name = name.replace(".", "_")
    if group.is_validation and any(not other.is_validation for other in siblings):
        name += "-validation"
    alike = [other for other in siblings if other.is_validation == group.is_validation]
    if len({other.repeats for other in alike}) > 1:
        name += f"-x{group.repeats}"
    if len({other.loss_weight for other in alike}) > 1:
        name += f"-w{group.loss_weight:g}"
    return name


def unique_names(stems: Sequence[str]) -> list[str]:
    """Safe names, in the order of the stems, of which no two differ in case alone; who comes first keeps its own.

    What would clash gets 6 hex digits of what it was called, so that its name stays the same as others come and go.
    """
    taken: set[str] = set()
    found = []
    for stem in stems:
        name, tries = safe_name(stem), 0
        while name.casefold() in taken:
            name, tries = _marked(stem, tries), tries + 1
        taken.add(name.casefold())
        found.append(name)
    return found


def _marked(stem: str, tries: int) -> str:
    """A safe name with a mark that hangs on the stem alone, and on how many marks were taken."""
    said = f"{stem} {tries}" if tries else stem
    mark = "-" + hashlib.sha256(said.encode("utf-8", "backslashreplace")).hexdigest()[:6]
    room = MAX_NAME_BYTES - len(mark)
    return safe_name(safe_name(stem).encode()[:room].decode("utf-8", "ignore") + mark)
