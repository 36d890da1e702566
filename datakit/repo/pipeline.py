"""A stage transition: run the stage's pure function over the stage before, then merge with what people did."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec

from datakit.config import digest
from datakit.errors import StateError
from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME, ImageRef
from datakit.model.lock import Dropped, Lock
from datakit.model.order import RAW
from datakit.model.progress import Progress
from datakit.model.record import encode_json
from datakit.model.stage import Drop, Keep, Outcome, Product, Stage, Subject
from datakit.repo.dataset import Dataset
from datakit.repo.merging import merge_stage
from datakit.repo.oplog import encode_commit, machine_tip, message
from datakit.repo.stagetree import read_items, read_lock, stage_tree
from datakit.repo.subjects import read_subjects
from datakit.repo.transaction import Transaction
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, edit_tree
from datakit.store.parallel import spread


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage with what it runs on."""

    stage: Stage
    settings: Any
    source: str
    """Name of the stage before."""

    @property
    def config(self) -> str:
        """Digest of the settings."""
        return digest(self.settings)


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """What a transition did."""

    stage: str
    commit: str
    """40 hex digits; '' when nothing changed."""
    subject: str
    num_kept: int
    dropped: dict[str, Dropped] = {}
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
    for name in (step.source, RAW):
        tree = stage_tree(dataset, root, name)
        if lock.inputs.get(name, "") != (tree.hex() if tree else ""):
            return f"{name} changed"
    return ""


def run_step(txn: Transaction, step: Step, progress: Progress) -> Transition:
    """Run one stage and commit the result with the machine line's commit as second parent.

    Raises:
        StateError: the stage before has no items yet.
    """
    dataset, name = txn.dataset, step.stage.name
    root = txn.base_tree
    source = stage_tree(dataset, root, step.source)
    if source is None:
        hint = f"{step.source}/{LOCK_NAME} says why; see [{step.source}] in dsk.toml"
        raise StateError(f"{name}: nothing to do, {step.source} is empty", hint=hint)
    raw = stage_tree(dataset, root, RAW)
    items = read_items(dataset, source)
    raw_items = items if step.source == RAW else read_items(dataset, raw)
    subjects, shared, problems = read_subjects(dataset, items, raw_items, is_raw=step.source == RAW)
    subjects = _inspect(txn, step, subjects, progress)
    outcomes = [*step.stage.decide(subjects, step.settings), *shared]
    auto = _tree_of(txn, outcomes)
    lock = read_lock(dataset, root, name)
    base = bytes.fromhex(lock.auto) if lock and lock.auto else None
    merged = merge_stage(dataset, base, stage_tree(dataset, root, name), auto, previous=lock)
    new_lock = Lock(
        stage=name,
        version=step.stage.version,
        config=step.config,
        inputs={step.source: source.hex(), RAW: raw.hex() if raw else ""},
        auto=auto.hex() if auto else "",
        dropped=_dropped(outcomes),
        conflicts=merged.conflicts,
    )
    subject = f"{name}: {step.stage.summarise(subjects, outcomes)}"
    tree = _with_stage(dataset, root, name, merged.tree, new_lock)
    machine = _machine_commit(txn, name, auto, subject)
    commit = txn.commit(subject, trailers={"Stage": name}, machine=machine, tree=tree)
    kept = sum(isinstance(outcome, Keep) for outcome in outcomes)
    return Transition(
        stage=name,
        commit=commit or "",
        subject=subject,
        num_kept=kept,
        dropped=new_lock.dropped,
        conflicts=tuple(merged.conflicts),
        notes=(*problems, *_gone(name, merged.gone)),
    )


def _gone(name: str, paths: Sequence[str]) -> Iterator[str]:
    return (f"{name}/{path}, written by hand, went with its image; the history has it" for path in paths)


def _dropped(outcomes: Iterable[Outcome]) -> dict[str, Dropped]:
    return {
        outcome.key: Dropped(rule=outcome.rule, reason=outcome.reason, evidence=outcome.evidence)
        for outcome in outcomes
        if isinstance(outcome, Drop)
    }


def _tree_of(txn: Transaction, outcomes: Iterable[Outcome]) -> bytes | None:
    dataset = txn.dataset
    rows: list[tuple[str, bytes | None]] = []
    for outcome in outcomes:
        if isinstance(outcome, Keep):
            rows.append((f"{outcome.key}.{outcome.image.extension}", dataset.pointer_blob(outcome.image)))
            if outcome.caption is not None:
                rows.append((f"{outcome.key}.{CAPTION_EXTENSION}", dataset.objects.blob(outcome.caption.encode())))
    return edit_tree(dataset.objects, None, rows)


def _with_stage(dataset: Dataset, root: bytes | None, name: str, tree: bytes | None, lock: Lock) -> bytes:
    lines = dataset.objects.tree(tree) if tree else {}
    lines[LOCK_NAME] = Entry(FILE_MODE, dataset.objects.blob(encode_json(lock)))
    top = dataset.objects.tree(root) if root else {}
    top[name] = Entry(TREE_MODE, dataset.objects.put_tree(lines))
    return dataset.objects.put_tree(top)


def _machine_commit(txn: Transaction, name: str, auto: bytes | None, subject: str) -> bytes:
    """A commit whose tree is what the functions of all stages made, the vendor branch of the dataset."""
    dataset = txn.dataset
    tip = machine_tip(dataset)
    lines = dataset.objects.tree(dataset.tree_of(tip) or b"") if tip else {}
    lines.pop(name, None)
    if auto is not None:
        lines[name] = Entry(TREE_MODE, auto)
    text = message(f"machine: {subject}", {"Stage": name})
    tree = dataset.objects.put_tree(lines)
    return dataset.objects.put("commit", encode_commit(dataset, tree, [tip] if tip else [], text))


def _inspect(txn: Transaction, step: Step, subjects: Sequence[Subject], progress: Progress) -> list[Subject]:
    """Give each subject what the stage's costly function finds, from the memo where it was found before."""
    stage = step.stage
    if stage.inspect is None:
        return list(subjects)
    options = stage.inspect_options(step.settings) if stage.inspect_options else None
    prefix = f"{stage.name}:{stage.version}:{digest(options)}:"
    wanted = {subject.image.sha256: subject.image for subject in subjects}
    known = {
        key.removeprefix(prefix): msgspec.msgpack.decode(value, type=_Remembered)
        for key, value in txn.dataset.memo.get(prefix + sha for sha in wanted).items()
    }
    known = {sha: found for sha, found in known.items() if found.made is None or txn.dataset.lfs.has(found.made)}
    missing = [ref for sha, ref in wanted.items() if sha not in known]
    fresh = _compute(txn, _bound(stage.inspect, options), missing, lambda n: progress(stage.name, n, len(missing)))
    txn.dataset.memo.put((prefix + sha, msgspec.msgpack.encode(found)) for sha, found in fresh.items())
    known.update(fresh)
    return [
        msgspec.structs.replace(subject, facts=known[subject.image.sha256].facts, made=known[subject.image.sha256].made)
        for subject in subjects
    ]


class _Remembered(msgspec.Struct, frozen=True):
    facts: dict[str, Any]
    made: ImageRef | None


def _bound(inspect: Callable[[bytes, Any], Product], options: Any) -> Callable[[bytes], Product]:
    return lambda data: inspect(data, options)


def _compute(
    txn: Transaction, inspect: Callable[[bytes], Product], refs: Sequence[ImageRef], tell: Callable[[int], None]
) -> dict[str, _Remembered]:
    lfs = txn.dataset.lfs

    def work(ref: ImageRef) -> tuple[str, _Remembered]:
        product = inspect(lfs.read(ref.sha256))
        made = lfs.ingest_bytes(product.image, product.extension) if product.image is not None else None
        return ref.sha256, _Remembered(product.facts, made)

    found: dict[str, _Remembered] = {}
    for number, (sha, remembered) in enumerate(spread(work, refs), 1):
        found[sha] = remembered
        tell(number)
    return found
