"""dsk why: for each stage, why an item is there or is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

import msgspec

from datakit.actions.exporting.manifests import export_staleness, read_manifest
from datakit.actions.project import Project
from datakit.model.item import split_path
from datakit.model.lock import Dropped, Lock
from datakit.model.order import COMPUTED, EXPORT, RAW, WIP, before
from datakit.model.provenance import Doer
from datakit.repo.oplog import REDO, Operation, read_operation, went_to
from datakit.repo.past.blaming import doer_of
from datakit.repo.past.itemlog import NOTHING, ItemFinder, State, Step, walk
from datakit.repo.past.pastitems import resolve_one_ever
from datakit.repo.past.takenfrom import TakenFrom, taken_from
from datakit.repo.stagetree import TreeView, read_lock
from datakit.store.objects import find

Standing = Literal[
    "there", "kept", "added", "dropped", "removed", "deleted", "not reached", "waiting", "never", "left out"
]
"""there: as its stage made it; kept: a person put it back against the rule; added: a person put it there; dropped: by
the stage's rule; removed: by an operation; deleted: by hand, not committed yet; not reached: an earlier stage lacks it;
waiting: the stage has not seen it yet; never: the history knows nothing of it here; left out: of the export."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why an item is in a stage, or is not."""

    stage: str
    standing: Standing
    format: str = ""
    """Of the export."""
    path: str = ""
    """Where the export has it."""
    rule: str = ""
    reason: str = ""
    """The rule's, a person's, or which stage lacks it."""
    evidence: dict[str, Any] = {}
    operation: Doer | None = None
    """What removed it, or put it there."""
    stale: str = ""
    """Why the stage must run again, so that this may change."""
    has_conflict: bool = False
    flags: tuple[Dropped, ...] = ()
    """What rules found about it that did not drop it."""


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to say of an item."""

    key: str
    stages: tuple[Verdict, ...]
    is_missing: bool
    """Whether no stage has it."""
    renamed_to: str = ""
    """What it is called now, where it is missing for that reason."""
    can_restore: bool = False
    """Whether it was removed from a stage, so that dsk restore brings it back."""
    taken_from: TakenFrom | None = None
    """The item whose part it is; None for one that is no part of another."""


def explain(project: Project, word: str) -> Explanation:
    """Explain one item, which need not exist any more.

    Raises:
        UsageError: the word names no item that ever was, or several.
    """
    key = resolve_one_ever(project.dataset, word).key
    return _Explainer(project, key).explain()


class _Explainer:
    """One question about one item."""

    def __init__(self, project: Project, key: str) -> None:
        self._project = project
        self._dataset = project.dataset
        self._root = project.dataset.head_tree
        self._key = key
        self._now: State = ItemFinder(project.dataset).state(self._root, key)

    @cached_property
    def _steps(self) -> Sequence[Step]:
        return list(walk(self._dataset, self._key))

    def explain(self) -> Explanation:
        """Every stage in order, and the export's formats."""
        verdicts = [self._raw(), *(self._computed(stage) for stage in COMPUTED), *self._exports()]
        is_missing = not self._now
        renamed_to = self._steps[0].renamed_to if is_missing and self._steps else ""
        gone = {"removed", "deleted"}
        return Explanation(
            key=self._key,
            stages=tuple(verdicts),
            is_missing=is_missing,
            renamed_to=renamed_to,
            can_restore=not renamed_to and (is_missing or any(one.standing in gone for one in verdicts)),
            taken_from=taken_from(self._dataset, self._root, self._key),
        )

    def _has(self, stage: str) -> bool:
        return bool(self._now.get(stage, NOTHING).images)

    def _raw(self) -> Verdict:
        if self._has(RAW):
            return self._there(RAW, "there")
        return self._removed(RAW) or self._never(RAW)

    def _never(self, stage: str) -> Verdict:
        held = self._now.get(stage, NOTHING)
        files = [name for name, blob in (("caption", held.caption), ("record", held.record)) if blob]
        alone = f"only its {' and its '.join(files)}: no image had this name" if files else ""
        return Verdict(stage=stage, standing="never", reason=alone)

    def _computed(self, stage: str) -> Verdict:
        lock = read_lock(self._dataset, self._root, stage)
        stale = self._project.stale(stage, self._root)
        verdict = self._present(stage, lock) if self._has(stage) else self._absent(stage, lock, stale)
        flags = lock.flagged.get(self._key, ()) if lock is not None and self._has(stage) else ()
        return msgspec.structs.replace(verdict, stale=stale, flags=flags)

    def _present(self, stage: str, lock: Lock | None) -> Verdict:
        has_conflict = lock is not None and any(split_path(path)[0] == self._key for path in lock.conflicts)
        drop = _verdict_on(lock, self._key)
        if drop is None and (lock is None or self._was_made(lock)):
            return msgspec.structs.replace(self._there(stage, "there"), has_conflict=has_conflict)
        came = self._newest(stage, into=True)
        found = self._there(stage, "kept" if drop else "added")
        if found.standing == "deleted":
            return found
        return msgspec.structs.replace(
            found,
            rule=drop.rule if drop else "",
            reason=drop.reason if drop else "",
            evidence=drop.evidence if drop else {},
            operation=doer_of(came) if came else None,
            has_conflict=has_conflict,
        )

    def _there(self, stage: str, standing: Standing) -> Verdict:
        """An image that HEAD has; a person may have deleted it since."""
        names = [f"{stage}/{self._key}.{extension}" for extension, _ in self._now[stage].images]
        if not any((self._dataset.root / name).exists() for name in names):
            return Verdict(stage=stage, standing="deleted")
        return Verdict(stage=stage, standing=standing)

    def _absent(self, stage: str, lock: Lock | None, stale: str) -> Verdict:
        drop = _verdict_on(lock, self._key)
        if drop is not None:
            return Verdict(stage=stage, standing="dropped", rule=drop.rule, reason=drop.reason, evidence=drop.evidence)
        removed = self._removed(stage)
        if removed and lock is not None and self._was_made(lock):
            return removed
        if not self._has(before(stage)):
            return Verdict(stage=stage, standing="not reached", reason=f"{self._first_without(stage)} lacks it")
        if stale:
            return Verdict(stage=stage, standing="waiting")
        return removed or self._never(stage)

    def _first_without(self, stage: str) -> str:
        """The first of the stages before in a row that lack the item."""
        name = before(stage)
        while name != RAW and not self._has(before(name)):
            name = before(name)
        return name

    def _was_made(self, lock: Lock) -> bool:
        """Whether the stage's function makes the item; True where this clone cannot tell."""
        tree = bytes.fromhex(lock.auto) or None
        if tree is not None and not self._dataset.objects.has(tree):
            return True
        return bool(TreeView(self._dataset, tree).item(self._key).images)

    def _removed(self, stage: str) -> Verdict | None:
        operation = self._newest(stage, into=False)
        if operation is None:
            return None
        reason = operation.args.get("reason", "")
        return Verdict(
            stage=stage,
            standing="removed",
            reason=reason if isinstance(reason, str) else "",
            operation=doer_of(operation),
        )

    def _newest(self, stage: str, *, into: bool) -> Operation | None:
        """The newest operation that brought the item's image into a stage, or took it away."""
        for step in self._steps:
            had, has = (bool(state.get(stage, NOTHING).images) for state in (step.before, step.after))
            if had != has:
                return self._told(step.operation) if has == into else None
        return None

    def _told(self, operation: Operation) -> Operation:
        """The operation itself where a redo brought it back: it has the reason."""
        goal = went_to(self._dataset, operation) if operation.op == REDO else None
        return read_operation(self._dataset, goal) if goal else operation

    def _exports(self) -> Iterator[Verdict]:
        for name in self._project.settings(EXPORT).formats:
            manifest = read_manifest(self._dataset, self._root, name)
            stale = export_staleness(self._project, self._root, name)
            path = f"{EXPORT}/{name}/{manifest.items[self._key]}" if manifest and self._key in manifest.items else ""
            is_there = bool(path and self._root and find(self._dataset.objects, self._root, path))
            verdict = Verdict(stage=EXPORT, standing="there", path=path) if is_there else self._not_exported(stale)
            yield msgspec.structs.replace(verdict, format=name, stale=stale if self._has(WIP) or is_there else "")

    def _not_exported(self, stale: str) -> Verdict:
        if not self._has(WIP):
            first = WIP if self._has(before(WIP)) else self._first_without(WIP)
            return Verdict(stage=EXPORT, standing="not reached", reason=f"{first} lacks it")
        return Verdict(stage=EXPORT, standing="waiting" if stale else "left out")


def _verdict_on(lock: Lock | None, key: str) -> Dropped | None:
    """What the stage's function says of an item; of several images of one name, what it says of the first."""
    if lock is None:
        return None
    found: Mapping[str, Dropped] = lock.dropped
    return found.get(key) or next((drop for path, drop in found.items() if split_path(path)[0] == key), None)
