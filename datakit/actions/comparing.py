"""dsk diff: two states of the dataset, side by side."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence

import msgspec

from datakit.actions.project import Project
from datakit.errors import UsageError
from datakit.model.comparison import Comparison, StageChange
from datakit.registry import nearest
from datakit.repo.items import STAGES_OF_ITEMS, Address, is_pattern, resolve, split_word, typed
from datakit.repo.past.comparing import Wanted, compare
from datakit.repo.past.sides import Side, commit_side, work_tree_side
from datakit.repo.revisions import resolve_revision

HEAD = "HEAD"


class Compared(msgspec.Struct, frozen=True):
    """Two states and what differs between them."""

    before: Side
    after: Side
    comparison: Comparison


def compare_states(project: Project, before: str = "", after: str = "", *, items: Sequence[str] = ()) -> Compared:
    """Compare two revisions; `before` is HEAD where it is not named, `after` the work tree as it is now.

    With `items` only what they differ in: keys, files of a stage, patterns or stems, of either state.

    Raises:
        UsageError: a word names no revision, or no item of either state.
    """
    dataset = project.dataset
    old = _revision(project, before) if before else commit_side(dataset, HEAD, dataset.head)
    new = _revision(project, after) if after else work_tree_side(dataset)
    wanted = _wanted(project, (new, old), items) if items else None
    found = compare(dataset, old.tree, new.tree, wanted=wanted)
    comparison = Comparison(
        before=old.moment, after=new.moment, stages=found.stages, settings=found.settings, files=found.files
    )
    return Compared(old, new, comparison)


def choose_stage(comparison: Comparison, stage: str = "") -> StageChange | None:
    """The stage to show item by item: the one asked for, else the last that differs; None where it does not.

    Raises:
        UsageError: no stage has this name.
    """
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' with items", hint=hint)
    changes = {change.stage: change for change in comparison.stages}
    return changes.get(stage or next(reversed(changes), ""))


def _revision(project: Project, word: str) -> Side:
    dataset = project.dataset
    try:
        return commit_side(dataset, word, resolve_revision(dataset, word))
    except UsageError as error:
        try:
            resolve(dataset, dataset.head_tree, [word])
        except UsageError:
            raise error from None
        raise UsageError(
            f"'{word}' is an item, not a revision", hint=f"dsk diff -- {typed(word).removeprefix('-- ')}"
        ) from error


def _wanted(project: Project, sides: Sequence[Side], words: Sequence[str]) -> Wanted:
    """A test of the items that words name in any of the states."""
    addresses: set[Address] = set()
    for word in words:
        if is_pattern(word):
            addresses.add(split_word(project.dataset, word))
        else:
            addresses.update(_resolved(project, sides, word))

    def test(stage: str, key: str) -> bool:
        return any(one.stage in ("", stage) and _names(one.key, key) for one in addresses)

    return test


def _names(word: str, key: str) -> bool:
    return word == key or (is_pattern(word) and fnmatch.fnmatchcase(key, word))


def _resolved(project: Project, sides: Sequence[Side], word: str) -> list[Address]:
    failure: UsageError | None = None
    for side in sides:
        try:
            return resolve(project.dataset, side.tree, [word])
        except UsageError as error:
            failure = failure or error
    assert failure is not None
    raise failure
