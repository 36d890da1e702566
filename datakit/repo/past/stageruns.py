"""The last run of a stage's function, as far as one item goes: what it read, and what it made of it."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from typing import Any

import msgspec

from datakit.config import CONFIG_NAME, decode, digest
from datakit.errors import ConfigError, StateError
from datakit.model.lock import Lock
from datakit.model.order import RAW, before
from datakit.model.progress import silent
from datakit.model.stage import IMAGE, Origin, Stage, Subject
from datakit.repo.dataset import Dataset
from datakit.repo.past.tracing import Position, Tracer
from datakit.repo.stagetree import ItemFiles, TreeView, read_lock, stage_tree
from datakit.repo.transitions.inspecting import inspected
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import parse_tags


class StageRun(msgspec.Struct, frozen=True, kw_only=True):
    """What a stage's function read and made of one item."""

    stage: Stage
    settings: Any
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


def read_run(dataset: Dataset, tracer: Tracer, at: Position, stage: Stage, key: str) -> StageRun | None:
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
    settings = _settings(dataset, tracer, at, lock, stage)
    made = _item(dataset, bytes.fromhex(lock.auto) or None, key)
    return StageRun(
        stage=stage,
        settings=settings,
        source=source,
        read_at=read_at,
        subject=subject,
        images_read=frozenset(blob for item in read.values() for blob in item.images.values()),
        images_made=frozenset(made.images.values()),
        tags_read=frozenset(parse_tags(subject.caption or "")) if subject else frozenset(),
        tags_made=frozenset(tags_of(dataset, made.caption)),
        origins=stage.origins(subject, settings) if stage.origins and subject else {},
    )


def image_origin(dataset: Dataset, run: StageRun) -> Origin:
    """What the function says of the image that it made; it may have to look at the image again."""
    name = run.stage.name
    if run.stage.origins is not None and run.subject is not None:
        try:
            (seen,) = inspected(dataset, run.stage, run.settings, [run.subject], silent)
        except StateError:  # the image is not in this clone
            return Origin(kind="stage", detail=f"made by {name}")
        found = run.stage.origins(seen, run.settings).get(IMAGE)
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


def _settings(dataset: Dataset, tracer: Tracer, at: Position, lock: Lock, stage: Stage) -> Any:
    """The settings that the function ran with; the newest readable ones where the history lacks those."""
    seen: set[bytes | None] = set()
    newest: Any = None
    for position in tracer.commits(at):
        blob = tracer.blob(position.tree, CONFIG_NAME)
        if blob in seen:
            continue
        seen.add(blob)
        settings = _decoded(dataset, blob, stage)
        if settings is not None and digest(settings) == lock.config:
            return settings
        newest = newest if newest is not None else settings
    return newest if newest is not None else stage.settings()


def _decoded(dataset: Dataset, blob: bytes | None, stage: Stage) -> Any:
    try:
        tables = tomllib.loads(dataset.objects.read(blob).decode("utf-8-sig", "replace")) if blob else {}
        table = tables.get(stage.name, {})
        return decode(table, stage.settings, where=stage.name) if isinstance(table, dict) else None
    except (tomllib.TOMLDecodeError, ConfigError):
        return None
