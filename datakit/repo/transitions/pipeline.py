"""A stage transition: run the stage's pure function over the stage before, then merge with what people did."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

import msgspec

from datakit.config import digest
from datakit.errors import StateError
from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME
from datakit.model.lock import Dropped, Lock, changed_uses, item_of
from datakit.model.order import RAW
from datakit.model.progress import Progress
from datakit.model.stage import Drop, Keep, Outcome, Prepared, Stage, Subject, scope_of, surveyed
from datakit.repo.counting import concepts_of
from datakit.repo.dataset import Dataset
from datakit.repo.operations.machine import machine_commit
from datakit.repo.operations.transaction import Transaction
from datakit.repo.oplog import machine_tip
from datakit.repo.stagetree import TreeView, read_items, read_lock, stage_tree, with_stage
from datakit.repo.transitions.incremental import changed_keys, decisions
from datakit.repo.transitions.inspecting import inspected
from datakit.repo.transitions.merging import merge_stage
from datakit.repo.transitions.subjects import read_subjects
from datakit.store.objects import Value, edit_tree

T = TypeVar("T")


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage with what it runs on."""

    stage: Stage
    settings: Any
    source: str
    """Name of the stage before."""
    prepared: Prepared | None = None
    """The settings as the stage's functions take them, where those are not the settings themselves."""

    @property
    def config(self) -> str:
        """Digest of the settings."""
        return digest(self.settings)

    @property
    def given(self) -> Any:
        """What the stage's functions get as settings."""
        return self.settings if self.prepared is None else self.prepared.given

    @property
    def uses(self) -> dict[str, str]:
        """What the outcome depends on beside the settings: name → digest."""
        return {} if self.prepared is None else self.prepared.uses


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What a transition did."""

    stage: str
    commit: str
    """40 hex digits; '' when nothing changed."""
    subject: str
    num_computed: int = 0
    """Items that were decided anew; the others stay as they were."""
    num_kept: int = 0
    """Of those."""
    dropped: dict[str, Dropped] = {}
    """In this run."""
    flagged: dict[str, tuple[Dropped, ...]] = {}
    """Items that went on in this run though a rule found something about them."""
    conflicts: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What a person should know: metadata that is no record, captions that went, what a format cannot express."""


def staleness(dataset: Dataset, root: bytes | None, step: Step) -> str:
    """Why a stage must run again; '' when it is up to date."""
    source = stage_tree(dataset, root, step.source)
    lock = read_lock(dataset, root, step.stage.name)
    if lock is None:
        return "never run" if source is not None else ""
    if lock.version != step.stage.version:
        return "its function is newer"
    if lock.config != step.config:
        return f"[{step.stage.name}] in dsk.toml changed"
    changed = changed_uses(lock, step.uses)
    if changed:
        return f"{' and '.join(changed)} changed"
    for name in (step.source, RAW):
        tree = stage_tree(dataset, root, name)
        if lock.inputs.get(name, "") != (tree.hex() if tree else ""):
            return f"{name} changed"
    return ""


def run_step(txn: Transaction, step: Step, progress: Progress) -> Transition:
    """Run one stage and commit the result with the machine line's commit as second parent.

    Raises:
        StateError: the stage before has no items yet.
        ConfigError: the stage's settings do not go with the dataset's concepts.
    """
    dataset, name = txn.dataset, step.stage.name
    root = txn.base_tree
    lock = read_lock(dataset, root, name)
    source, raw = stage_tree(dataset, root, step.source), stage_tree(dataset, root, RAW)
    if source is None and lock is None:
        hint = f"{step.source}/{LOCK_NAME} says why; see [{step.source}] in dsk.toml"
        raise StateError(f"{name}: nothing to do, {step.source} is empty", hint=hint)
    if step.stage.check is not None:
        step.stage.check(concepts_of(dataset, source), step.given)
    keys = reach(dataset, root, step)
    subjects, shared, problems = _subjects(dataset, step, source, raw, keys)
    subjects = inspected(dataset, step.stage, step.given, subjects, progress)
    given = surveyed(step.stage, subjects, step.given)
    outcomes = [*step.stage.decide(subjects, given), *shared]
    base = bytes.fromhex(lock.auto) if lock and lock.auto else None
    auto = _auto_tree(dataset, base, outcomes, keys)
    ours = stage_tree(dataset, root, name)
    decided = decisions(dataset, lock, ours, (source, raw))
    there = TreeView(dataset, source)  # what the stage before lacks, no function has judged
    applied = {key: stays for key, stays in decided.items() if not stays or there.item(key).images}
    merged = merge_stage(dataset, base, ours, auto, previous=lock, decided=applied)
    fresh, flagged = _dropped(outcomes), _flagged(outcomes)
    new_lock = Lock(
        stage=name,
        version=step.stage.version,
        config=step.config,
        uses={name: now or (lock.uses.get(name, "") if lock else "") for name, now in step.uses.items()},
        inputs={step.source: _hex(source), RAW: _hex(raw)},
        auto=_hex(auto),
        dropped={**_before(lock.dropped if lock else {}, keys), **fresh},
        flagged={**_before(lock.flagged if lock else {}, keys), **flagged},
        conflicts=merged.conflicts,
        decided=decided,
    )
    gone = None if keys is None else len(TreeView(dataset, base).items(keys).keys() - {one.key for one in outcomes})
    subject = f"{name}: {_summary(subjects, step.stage.summarise(subjects, outcomes), num_gone=gone)}"
    tip = machine_tip(dataset)
    made = {name: (auto, new_lock.inputs)}
    machine = machine_commit(dataset, [tip] if tip else [], made, subject=subject, stage=name)
    tree = with_stage(dataset, root, merged.tree, new_lock)
    commit = txn.commit(subject, trailers={"Stage": name}, machine=machine, tree=tree)
    return Transition(
        stage=name,
        commit=commit or "",
        subject=subject,
        num_computed=len(outcomes),
        num_kept=sum(isinstance(outcome, Keep) for outcome in outcomes),
        dropped=fresh,
        flagged=flagged,
        conflicts=tuple(merged.conflicts),
        notes=(*problems, *(step.stage.notes(subjects, given) if step.stage.notes else ()), *_gone(name, merged.gone)),
    )


def reach(dataset: Dataset, root: bytes | None, step: Step) -> set[str] | None:
    """Keys of the items that a run must decide anew; None for all of them."""
    lock = read_lock(dataset, root, step.stage.name)
    if lock is not None and (lock.version, lock.config) != (step.stage.version, step.config):
        lock = None
    if lock is not None and changed_uses(lock, step.uses):
        lock = None
    inputs = {name: stage_tree(dataset, root, name) for name in (step.source, RAW)}
    changed = changed_keys(dataset, lock, inputs, step.source, scope_of(step.stage, step.given))
    return changed if changed is None or lock is None else changed | _to_be_retried(lock, step.stage)


def _to_be_retried(lock: Lock, stage: Stage) -> set[str]:
    return {key for key, flags in lock.flagged.items() if any(flag.rule in stage.retries for flag in flags)}


def _subjects(
    dataset: Dataset, step: Step, source: bytes | None, raw: bytes | None, keys: set[str] | None
) -> tuple[list[Subject], list[Drop], list[str]]:
    """What the stage's function is given: every item, or those of `keys`."""
    is_raw = step.source == RAW
    if keys is None:
        items = read_items(dataset, source)
        raw_items = items if is_raw else read_items(dataset, raw)
    else:
        items, raw_items = TreeView(dataset, source).items(keys), TreeView(dataset, raw).items(keys)
    return read_subjects(dataset, items, raw_items, is_raw=is_raw)


def _auto_tree(
    dataset: Dataset, base: bytes | None, outcomes: Iterable[Outcome], keys: set[str] | None
) -> bytes | None:
    """The tree that the function makes: of all outcomes, or that of last time with those of `keys` exchanged."""
    edits: dict[str, Value] = {}
    for key, item in TreeView(dataset, base).items(keys or ()).items():
        edits.update(dict.fromkeys(item.images))
        edits[f"{key}.{CAPTION_EXTENSION}"] = None
    edits |= _files_of(dataset, outcomes)
    return edit_tree(dataset.objects, None if keys is None else base, edits.items())


def _files_of(dataset: Dataset, outcomes: Iterable[Outcome]) -> dict[str, Value]:
    rows: dict[str, Value] = {}
    for outcome in outcomes:
        if isinstance(outcome, Keep):
            rows[f"{outcome.key}.{outcome.image.extension}"] = dataset.pointer_blob(outcome.image)
            if outcome.caption is not None:
                rows[f"{outcome.key}.{CAPTION_EXTENSION}"] = dataset.objects.blob(outcome.caption.encode())
    return rows


def _summary(subjects: Sequence[Subject], made: str, *, num_gone: int | None) -> str:
    """`22 of 24 kept`; where only some items were computed, `10 changed: 9 of 10 kept; 2 gone`."""
    if num_gone is None:
        return made
    parts = [f"{len(subjects)} changed: {made}"] if subjects else []
    return "; ".join([*parts, *([f"{num_gone} gone"] if num_gone or not parts else [])])


def _hex(tree: bytes | None) -> str:
    return tree.hex() if tree else ""


def _gone(name: str, paths: Sequence[str]) -> Iterator[str]:
    return (f"{name}/{path}, written by hand, went with its image; the history has it" for path in paths)


def _dropped(outcomes: Iterable[Outcome]) -> dict[str, Dropped]:
    return {
        outcome.key: Dropped(rule=outcome.rule, reason=outcome.reason, evidence=outcome.evidence)
        for outcome in outcomes
        if isinstance(outcome, Drop)
    }


def _flagged(outcomes: Iterable[Outcome]) -> dict[str, tuple[Dropped, ...]]:
    return {
        outcome.key: tuple(
            Dropped(rule=flag.rule, reason=flag.reason, evidence=flag.evidence) for flag in outcome.flags
        )
        for outcome in outcomes
        if isinstance(outcome, Keep) and outcome.flags
    }


def _before(verdicts: Mapping[str, T], keys: set[str] | None) -> dict[str, T]:
    """Verdicts of earlier runs on items that were not decided anew."""
    if keys is None:
        return {}
    return {key: verdict for key, verdict in verdicts.items() if key not in keys and item_of(key) not in keys}
