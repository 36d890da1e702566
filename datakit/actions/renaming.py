"""dsk mv: items under other names, in all stages at once."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from datakit.actions.project import Counted, Project
from datakit.errors import UsageError
from datakit.model.item import LOCK_NAME, concept_of, stem_of
from datakit.model.naming import safe_name
from datakit.model.order import EXPORT
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS, Address, resolve, split_word
from datakit.repo.operations.machine import machine_commit
from datakit.repo.operations.renaming import find_holders, fold, rename_items
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.oplog import machine_tip
from datakit.store.objects import TREE_MODE, find

_ANY = "_"
_HOW = "dsk mv ITEM NEW, or dsk mv ITEM... CONCEPT/"


class Renaming(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk mv` did."""

    commit: str
    """40 hex digits; '' when the items were called so already."""
    subject: str
    renamed: dict[str, str]
    """Old key → new key."""
    notes: tuple[str, ...] = ()
    """Names that were made portable."""


def rename(project: Project, words: Sequence[str], goal: str) -> Renaming:
    """Rename the items that `words` name to `goal`, or move them into the concept `goal` where it ends with a slash.

    Raises:
        UsageError: no such item, a name that is taken, or one that leads out of the dataset.
    """
    dataset = project.dataset
    with transaction(dataset, "mv") as txn:
        items = resolve(dataset, txn.base_tree, words)
        aim = _aim(dataset, goal)
        renamed = _planned(dataset, txn.base_tree, items, goal, aim)
        notes = _notes(aim, renamed)
        renamed = {old: new for old, new in renamed.items() if old != new}
        _refuse_taken(dataset, txn.base_tree, renamed)
        subject = _subject(renamed)
        commit = _commit(txn, renamed, subject) if renamed else None
        return Renaming(commit=commit or "", subject=subject, renamed=renamed, notes=notes)


def _commit(txn: Transaction, renamed: Mapping[str, str], subject: str) -> str | None:
    dataset = txn.dataset
    txn.args = {"renamed": renamed}
    result = rename_items(dataset, txn.base_tree or b"", renamed)
    machine = None
    if result.made:
        tip = machine_tip(dataset)
        machine = machine_commit(dataset, [tip] if tip else [], result.made, subject=subject)
    return txn.commit(subject, machine=machine, tree=result.tree)


def _subject(renamed: Mapping[str, str]) -> str:
    if len(renamed) == 1:
        return "".join(f"mv: {old} to {new}" for old, new in renamed.items())
    concepts = sorted({concept_of(new) for new in renamed.values()})
    return f"mv: {Counted(len(renamed), 'item')} to {', '.join(f'{concept}/' for concept in concepts)}"


class _Aim(NamedTuple):
    """A new name as a person gave it, made portable."""

    concept: str
    stem: str
    """'' where it is a concept that was named."""
    stage: str
    is_bare: bool
    """Whether it is a single name, without concept or stage."""
    given: str


def _aim(dataset: Dataset, word: str) -> _Aim:
    """What NEW says.

    Raises:
        UsageError: it leads out of the dataset, or to no name at all.
    """
    is_folder = word.endswith("/") or word in {".", ".."}
    inside = _inside(dataset, f"{word.rstrip('/')}/{_ANY}" if is_folder else word)
    if inside.stage == EXPORT:
        raise UsageError(f"'{word}': {EXPORT} is written by dsk export", hint=_HOW)
    given = posixpath.normpath(inside.key) if inside.key else ""
    parts = [safe_name(part) for part in given.split("/") if part]
    concept, stem = "/".join(parts[:-1]), parts[-1] if parts else ""
    if not word.strip() or not stem or given == "." or (is_folder and not concept):
        raise UsageError(f"'{word}' is no name for an item", hint=_HOW)
    bare = not concept and not inside.stage
    given = concept_of(given) if is_folder else given
    return _Aim(concept, "" if is_folder else stem, inside.stage, bare, given)


def _inside(dataset: Dataset, word: str) -> Address:
    """(key, stage) of a word that may be a path from the current folder, as long as it stays in the dataset."""
    if Path(word).is_absolute() or ".." in word.split("/") or word == f"./{_ANY}":
        path = Path(os.path.abspath(word))  # noqa: PTH100  links stay as they are named
        root = Path(os.path.abspath(dataset.root))  # noqa: PTH100
        top = path.relative_to(root).parts[:1] if path.is_relative_to(root) else ()
        if top not in {(stage,) for stage in (*STAGES_OF_ITEMS, EXPORT)}:
            raise UsageError(f"'{word}' leads out of the dataset's stages", hint=_HOW)
        word = str(path)
    return split_word(dataset, word)


def _planned(dataset: Dataset, root: bytes | None, items: Sequence[Address], goal: str, aim: _Aim) -> dict[str, str]:
    """Old key → new key."""
    for item in items:
        if item.stage and aim.stage and item.stage != aim.stage:
            raise UsageError(
                f"{item.key} is to go from {item.stage} to {aim.stage}: mv renames an item in all stages at once",
                hint="dsk advance takes items from stage to stage",
            )
    if not aim.stem:
        return {item.key: f"{aim.concept}/{stem_of(item.key)}" for item in items}
    if len({item.key for item in items}) > 1:
        raise UsageError(
            f"'{goal}' is one name, for {Counted(len(items), 'item')}", hint=f"a concept ends with a slash: {goal}/"
        )
    old = items[0].key
    if not aim.concept and _is_concept(dataset, root, aim.stem):
        own = f"{concept_of(old)}/{aim.stem}".lstrip("/")
        raise UsageError(f"'{goal}' is a concept", hint=f"{goal}/ moves {old} into it; {own} renames it where it is")
    concept = concept_of(old) if aim.is_bare else aim.concept
    new = f"{concept}/{aim.stem}" if concept else aim.stem
    if f"{new}.json" == LOCK_NAME:
        raise UsageError(f"'{goal}': {LOCK_NAME} is the name of a stage's lock", hint="choose another name")
    return {old: new}


def _is_concept(dataset: Dataset, root: bytes | None, name: str) -> bool:
    found = (find(dataset.objects, root, f"{stage}/{name}") for stage in STAGES_OF_ITEMS if root)
    return any(entry is not None and entry.mode == TREE_MODE for entry in found)


def _notes(aim: _Aim, renamed: Mapping[str, str]) -> tuple[str, ...]:
    made = "/".join(filter(None, (aim.concept, aim.stem)))
    if made == aim.given or not renamed:
        return ()
    return (f"'{aim.given}' is no name that every computer can hold; it became {made}",)


def _refuse_taken(dataset: Dataset, root: bytes | None, renamed: Mapping[str, str]) -> None:
    for old, holder in find_holders(dataset, root, renamed).items():
        new = renamed[old]
        place, concept = concept_of(holder.partition("/")[2]), concept_of(new)
        if place != concept and fold(place) == fold(concept):
            raise UsageError(
                f"{old} cannot become {new}: {place}/ is there, and to some computers {concept}/ is the same folder",
                hint=f"write {place}/, or move everything that is in it",
            )
        raise UsageError(
            f"{old} cannot become {new}: that name is taken by {holder}",
            hint="choose another; upper and lower case make no other name",
        )
