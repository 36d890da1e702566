"""The last run of a stage's function, as far as one item goes: what it read, and what it made of it."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from datakit.config import CONFIG_NAME, decode, digest
from datakit.errors import ConfigError, StateError
from datakit.model.lock import Lock, changed_uses
from datakit.model.order import RAW, before
from datakit.model.progress import silent
from datakit.model.stage import IMAGE, Origin, Prepared, Stage, Subject, needs_survey
from datakit.repo.dataset import Dataset
from datakit.repo.past.tracing import Position, Tracer
from datakit.repo.stagetree import ItemFiles, TreeView, read_items, read_lock, stage_tree
from datakit.repo.transitions.inspecting import inspected, recalled
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import parse_tags

Prepare = Callable[[Stage, Any, bytes | None], Prepared]
"""(stage, its settings, tree of the dataset in which files that they name are looked up) → what its functions take."""
_VOCAB = "vocab"


def as_decoded(stage: Stage, settings: Any, tree: bytes | None) -> Prepared:
    """The preparation of stages whose settings name no files."""
    del stage, tree
    return Prepared(given=settings)


class StageRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage's function read and made of one item."""

    stage: Stage
    settings: Any
    given: Any
    """The settings as the function took them."""
    source: str
    """The stage before."""
    read_at: Position
    """Where that stage stood as it was read."""
    subject: Subject | None
    """None where there was no such item."""
    images_read: frozenset[bytes]
    """Blob ids."""
    images_made: frozenset[bytes]
    tags_read: frozenset[str]
    tags_made: frozenset[str]
    origins: Mapping[str, Origin]
    """Of tags."""


def read_run(
    dataset: Dataset, tracer: Tracer, at: Position, stage: Stage, *, key: str, prepare: Prepare
) -> StageRun | None:
    """The run that the stage's lock tells of; None where it has never run."""
    lock = read_lock(dataset, at.tree, stage.name)
    if lock is None:
        return None
    source = before(stage.name)
    read_at = _read_at(dataset, tracer, at, lock, source)
    trees = [_input(dataset, read_at, lock, name) for name in (source, RAW)]
    read, raw = (TreeView(dataset, tree).items([key]) for tree in trees)
    subjects, _, _ = read_subjects(dataset, read, raw, is_raw=source == RAW)
    subject = subjects[0] if subjects else None
    settings, given = _settings(dataset, tracer, at, lock, stage=stage, prepare=prepare)
    if stage.survey is not None and needs_survey(stage, given):
        whole = [read_items(dataset, tree) for tree in trees]
        given = stage.survey(read_subjects(dataset, whole[0], whole[1], is_raw=source == RAW)[0], given)
    if subject is not None:
        subject = recalled(dataset, stage, given, subject)
    made = _item(dataset, bytes.fromhex(lock.auto) or None, key)
    return StageRun(
        stage=stage,
        settings=settings,
        given=given,
        source=source,
        read_at=read_at,
        subject=subject,
        images_read=frozenset(blob for item in read.values() for blob in item.images.values()),
        images_made=frozenset(made.images.values()),
        tags_read=frozenset(parse_tags(subject.caption or "")) if subject else frozenset(),
        tags_made=frozenset(tags_of(dataset, made.caption)),
        origins=stage.origins(subject, given) if stage.origins and subject else {},
    )


def image_origin(dataset: Dataset, run: StageRun) -> Origin:
    """What the function says of the image that it made; it may have to look at the image again."""
    name = run.stage.name
    if run.stage.origins is not None and run.subject is not None:
        try:
            (seen,) = inspected(dataset, run.stage, run.given, [run.subject], silent)
        except StateError:  # the image is not in this clone
            return Origin(kind="stage", detail=f"made by {name}")
        found = run.stage.origins(seen, run.given).get(IMAGE)
        if found is not None:
            return found
    return Origin(kind="stage", detail=f"made by {name}")


def tags_of(dataset: Dataset, blob: bytes | None) -> tuple[str, ...]:
    """Canonical tags of a caption; none where there is no file."""
    return () if blob is None else parse_tags(dataset.objects.read(blob).decode("utf-8-sig", "replace"))


def _item(dataset: Dataset, tree: bytes | None, key: str) -> ItemFiles:
    return TreeView(dataset, tree if tree and dataset.objects.has(tree) else None).item(key)


def _input(dataset: Dataset, read_at: Position, lock: Lock, name: str) -> bytes | None:
    """The tree that the function read; where this clone lacks it, what stood there then."""
    tree = bytes.fromhex(lock.inputs.get(name, "")) or None
    return tree if tree is None or dataset.objects.has(tree) else stage_tree(dataset, read_at.tree, name)


def _read_at(dataset: Dataset, tracer: Tracer, at: Position, lock: Lock, source: str) -> Position:
    """The newest state in which the stage before and raw are what the function read; `at` where there is none."""
    wanted = {name: lock.inputs.get(name, "") for name in (source, RAW)}

    def stands(position: Position) -> bool:
        trees = ((stage_tree(dataset, position.tree, name), oid) for name, oid in wanted.items())
        return all((tree.hex() if tree else "") == oid for tree, oid in trees)

    return next((position for position in tracer.commits(at) if stands(position)), at)


def _settings(
    dataset: Dataset, tracer: Tracer, at: Position, lock: Lock, *, stage: Stage, prepare: Prepare
) -> tuple[Any, Any]:
    """(Settings that the function ran with, what it took); the newest readable ones where the history lacks those.

    What else it used may be beyond the history, as a vocabulary outside of the dataset is; then the settings decide.
    """
    seen: set[tuple[bytes | None, bytes | None]] = set()
    best: tuple[int, Any, Any] = (-1, None, None)
    for position in tracer.commits(at):
        blob = tracer.blob(position.tree, CONFIG_NAME)
        if (blob, stage_tree(dataset, position.tree, _VOCAB)) in seen:
            continue
        seen.add((blob, stage_tree(dataset, position.tree, _VOCAB)))
        found = _decoded(dataset, blob, stage, position=position, prepare=prepare)
        if found is None:
            continue
        settings, prepared = found
        fits = digest(settings) == lock.config
        alike = sum(lock.uses.get(name) == value for name, value in prepared.uses.items()) + 1 if fits else 0
        if alike > best[0]:
            best = (alike, settings, prepared.given)
        if fits and not changed_uses(lock, prepared.uses):
            break
    if best[0] < 0:
        return stage.settings(), stage.settings()
    return best[1], best[2]


def _decoded(
    dataset: Dataset, blob: bytes | None, stage: Stage, *, position: Position, prepare: Prepare
) -> tuple[Any, Prepared] | None:
    try:
        tables = tomllib.loads(dataset.objects.read(blob).decode("utf-8-sig", "replace")) if blob else {}
        table = tables.get(stage.name, {})
        if not isinstance(table, dict):
            return None
        settings = decode(table, stage.settings, where=stage.name)
    except (tomllib.TOMLDecodeError, ConfigError):
        return None
    try:
        return settings, prepare(stage, settings, position.tree)
    except ConfigError:  # a file that they name is gone; the settings alone explain the most
        return settings, as_decoded(stage, settings, position.tree)
