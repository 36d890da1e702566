"""dsk export: wip as the files that a trainer reads, linked, with a manifest."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit import __version__
from datakit.actions.project import STAGES, Counted, Project
from datakit.config import digest
from datakit.errors import StateError
from datakit.exports.model import (
    EXPORTS,
    MANIFEST_NAME,
    Export,
    ExportItem,
    Manifest,
    Plan,
    encode_manifest,
    manifest_files,
)
from datakit.model.item import LOCK_NAME
from datakit.model.lock import Lock
from datakit.model.order import EXPORT, WIP
from datakit.model.progress import Progress, silent
from datakit.model.record import encode_json
from datakit.repo.dataset import Dataset
from datakit.repo.pipeline import Transition
from datakit.repo.stagetree import read_items, read_lock, stage_tree
from datakit.repo.transaction import Transaction, transaction
from datakit.store.objects import files, find


def export_all(project: Project, *, progress: Progress = silent) -> list[Transition]:
    """Write every configured format that is stale."""
    done = []
    for name in project.settings(EXPORT).formats:
        ran = export_format(project, name, progress=progress)
        done += [ran] if ran else []
    return done


def export_format(project: Project, name: str, *, progress: Progress = silent) -> Transition | None:
    """Write one format as one operation; None when it was up to date.

    Raises:
        UsageError: no such format.
        StateError: wip is empty, or holds conflicts or items that the format cannot hold.
    """
    export = EXPORTS.load(name)
    settings = project.export_settings(name)
    dataset = project.dataset
    with transaction(dataset, EXPORT, {"format": name}) as txn:
        wip = stage_tree(dataset, txn.base_tree, WIP)
        if wip is None:
            raise StateError("wip is empty: nothing to export", hint="dsk advance wip")
        if not export_staleness(dataset, txn.base_tree, export, settings):
            return None
        _refuse_conflicts(dataset, txn.base_tree)
        items = export_items(dataset, wip)
        plan = export.plan(items, settings, str(dataset.root / EXPORT / name))
        manifest = _manifest(txn, export, settings, plan, wip)
        _put(txn, name, plan, manifest)
        progress(f"{EXPORT} {name}", len(items), len(items))
        images = Counted(len(plan.images), "image")
        subject = f"{EXPORT}: {name}, {images}"
        commit = txn.commit(subject, trailers={"Stage": EXPORT}) or ""
    return Transition(stage=EXPORT, commit=commit, subject=subject, num_kept=len(items), notes=plan.warnings)


def export_staleness(dataset: Dataset, root: bytes | None, export: Export, settings: Any) -> str:
    """Why a format must be written again; '' when it is up to date."""
    manifest = read_manifest(dataset, root, export.name)
    if manifest is None:
        return "never run"
    wip = stage_tree(dataset, root, WIP)
    if manifest.input != (wip.hex() if wip else ""):
        return f"{WIP} changed"
    if manifest.config != _config(export, settings):
        return f"[{EXPORT}.{export.name}] in dsk.toml changed"
    return ""


def read_manifest(dataset: Dataset, root: bytes | None, name: str) -> Manifest | None:
    """The manifest of an export in a tree; None where there is none."""
    entry = find(dataset.objects, root, f"{EXPORT}/{name}/{MANIFEST_NAME}") if root else None
    if entry is None:
        return None
    try:
        return msgspec.json.decode(dataset.objects.read(entry.oid), type=Manifest)
    except msgspec.DecodeError:
        return None  # not one of ours any more: the export is simply stale


def export_items(dataset: Dataset, wip: bytes) -> list[ExportItem]:
    """The items of wip that have an image, sorted by key."""
    items = []
    for key, item in read_items(dataset, wip).items():
        for path, blob in sorted(item.images.items()):
            ref = dataset.image_ref(f"{WIP}/{path}", blob)
            if ref is None:
                raise StateError(f"{WIP}/{path}: no image", hint="dsk status")
            caption = dataset.objects.read(item.caption).decode("utf-8-sig", "replace") if item.caption else ""
            items.append(ExportItem(key=key, image=ref, caption=" ".join(caption.split("\n"))))
        if len(item.images) > 1:
            names = " and ".join(sorted(item.images))
            raise StateError(f"{WIP}: {names} would share one caption", hint="rename one of them")
    return items


def _refuse_conflicts(dataset: Dataset, root: bytes | None) -> None:
    for stage in STAGES.names():
        lock = read_lock(dataset, root, stage)
        if lock and lock.conflicts:
            path = f"{stage}/{min(lock.conflicts)}"
            more = f" and {len(lock.conflicts) - 1} more" if len(lock.conflicts) > 1 else ""
            raise StateError(
                f"{path}{more}: changed by hand and by its source", hint="decide: edit or delete the file; dsk status"
            )


def _config(export: Export, settings: Any) -> str:
    return digest([export.version, settings])


def _manifest(txn: Transaction, export: Export, settings: Any, plan: Plan, wip: bytes) -> Manifest:
    return Manifest(
        dsk=__version__, format=export.name, commit=txn.base.hex() if txn.base else "", input=wip.hex(),
        config=_config(export, settings), settings=msgspec.to_builtins(settings), items=plan.items,
        files=manifest_files(plan),
    )


def _put(txn: Transaction, name: str, plan: Plan, manifest: Manifest) -> None:
    """Replace the format's folder by the plan."""
    dataset = txn.dataset
    entry = find(dataset.objects, txn.base_tree, f"{EXPORT}/{name}") if txn.base_tree else None
    for path, _ in files(dataset.objects, entry.oid if entry else None):
        txn.put_blob(f"{EXPORT}/{name}/{path}", None)
    for path, ref in plan.images.items():
        txn.put_image(f"{EXPORT}/{name}/{path}", ref)
    for path, data in plan.texts.items():
        txn.put(f"{EXPORT}/{name}/{path}", data)
    txn.put(f"{EXPORT}/{name}/{MANIFEST_NAME}", encode_manifest(manifest))
    txn.put(f"{EXPORT}/{LOCK_NAME}", encode_json(_lock(txn, manifest)))


def _lock(txn: Transaction, manifest: Manifest) -> Lock:
    stage = STAGES.load(EXPORT)
    return Lock(stage=EXPORT, version=stage.version, config=manifest.config, inputs={WIP: manifest.input}, auto="")
