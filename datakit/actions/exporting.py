"""dsk export: wip as the files that a trainer reads, linked, with a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from datakit import __version__
from datakit.actions.linting.preflight import in_words, preflight
from datakit.actions.manifests import export_staleness, settings_digest, written_tree
from datakit.actions.project import STAGES, Counted, Project
from datakit.errors import DskError, StateError
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
from datakit.model.order import COMPUTED, EXPORT, RAW, WIP
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.items import typed
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.stagetree import read_items, read_lock, stage_tree
from datakit.repo.transitions.pipeline import Transition
from datakit.store.objects import files, find


def export_all(project: Project, *, progress: Progress = silent) -> Iterator[Transition]:
    """Write every configured format that is stale, each told as it is done; one that is refused stops no other.

    Raises:
        DskError: the first refusal, after the others.
    """
    refused: DskError | None = None
    for name in project.settings(EXPORT).formats:
        try:
            ran = export_format(project, name, progress=progress)
        except DskError as error:
            refused = refused or error
            continue
        if ran:
            yield ran
    if refused:
        raise refused


def export_format(
    project: Project, name: str, *, force: bool = False, progress: Progress = silent
) -> Transition | None:
    """Write one format as one operation; None when it was up to date.

    Raises:
        UsageError: no such format.
        StateError: wip is empty, or holds conflicts, or lint finds errors for the format's trainer and there is no
            `force`.
    """
    export = EXPORTS.load(name)
    settings = project.export_settings(name)
    dataset = project.dataset
    with transaction(dataset, EXPORT, {"format": name, "force": force}) as txn:
        wip = stage_tree(dataset, txn.base_tree, WIP)
        if wip is None:
            raise _empty(dataset, txn.base_tree)
        if not export_staleness(dataset, txn.base_tree, export, settings):
            return None
        _refuse_conflicts(dataset, txn.base_tree)
        ignored = preflight(project, export.target, force=force, mended=export.mends, progress=progress)
        items = export_items(dataset, wip)
        plan = export.plan(items, settings, str(dataset.root / EXPORT / name))
        _put(txn, name, plan)
        manifest = msgspec.structs.replace(_manifest(txn, export, settings, plan, wip), ignored=ignored)
        txn.put(f"{EXPORT}/{name}/{MANIFEST_NAME}", encode_manifest(manifest))
        progress(f"{EXPORT} {name}", len(items), len(items))
        subject = f"{EXPORT}: {name}, {Counted(len(plan.images), 'image')}"
        commit = txn.commit(subject, trailers={"Stage": EXPORT}) or ""
    notes = (*plan.warnings, *in_words(ignored, listed_in=f"{EXPORT}/{name}/{MANIFEST_NAME}"))
    return Transition(stage=EXPORT, commit=commit, subject=subject, num_kept=len(items), notes=notes)


def stale_before_wip(project: Project) -> dict[str, str]:
    """Stage → why it must run again, of the stages that wip is made by: what is exported misses their changes."""
    reasons = {stage: project.stale(stage, project.dataset.head_tree) for stage in COMPUTED}
    return {stage: reason for stage, reason in reasons.items() if reason}


def _empty(dataset: Dataset, root: bytes | None) -> StateError:
    """Why there is nothing in wip, and what to do about it."""
    if stage_tree(dataset, root, RAW) is None:
        return StateError(f"{WIP} is empty: nothing is imported yet", hint="dsk import PATH")
    for stage in COMPUTED:
        lock = read_lock(dataset, root, stage)
        if lock and lock.dropped and stage_tree(dataset, root, stage) is None:
            dropped = Counted(len(lock.dropped), "image")
            return StateError(
                f"{WIP} is empty: {stage} dropped every one of {dropped}",
                hint=f"change [{stage}] in dsk.toml; {stage}/stage.json says why each was dropped",
            )
    return StateError(f"{WIP} is empty: nothing to export", hint=f"dsk advance {WIP}")


def export_items(dataset: Dataset, wip: bytes) -> list[ExportItem]:
    """The items of wip that have an image, sorted by key."""
    items = []
    for key, item in read_items(dataset, wip).items():
        for path, blob in sorted(item.images.items()):
            ref = dataset.image_ref(f"{WIP}/{path}", blob)
            if ref is None:
                raise StateError(f"{WIP}/{path}: no image", hint="dsk status")
            caption = dataset.objects.read(item.caption).decode("utf-8-sig", "replace") if item.caption else ""
            items.append(ExportItem(key=key, image=ref, caption=caption))
    return items


def _refuse_conflicts(dataset: Dataset, root: bytes | None) -> None:
    for stage in STAGES.names():
        lock = read_lock(dataset, root, stage)
        if lock and lock.conflicts:
            path = f"{stage}/{min(lock.conflicts)}"
            more = f" and {len(lock.conflicts) - 1} more" if len(lock.conflicts) > 1 else ""
            raise StateError(
                f"{path}{more}: changed by hand and by its source; yours stands until you decide",
                hint=f"dsk keep {typed(path)} keeps yours; with --theirs it becomes what {stage} made of its source",
            )


def _manifest(txn: Transaction, export: Export, settings: Any, plan: Plan, wip: bytes) -> Manifest:
    return Manifest(
        dsk=__version__,
        format=export.name,
        commit=txn.base.hex() if txn.base else "",
        input=wip.hex(),
        config=settings_digest(txn.dataset, export, settings),
        settings=msgspec.to_builtins(settings),
        items=plan.items,
        files=manifest_files(plan),
        tree=written_tree(txn.dataset, txn.tree(), export.name),
    )


def _put(txn: Transaction, name: str, plan: Plan) -> None:
    """Replace the format's folder by the plan, touching only what differs."""
    dataset = txn.dataset
    entry = find(dataset.objects, txn.base_tree, f"{EXPORT}/{name}") if txn.base_tree else None
    old = dict(files(dataset.objects, entry.oid if entry else None))
    new = {path: dataset.pointer_blob(ref) for path, ref in plan.images.items()}
    new |= {path: dataset.objects.blob(data) for path, data in plan.texts.items()}
    for path in old.keys() | new.keys():
        if old.get(path) != new.get(path) and path != MANIFEST_NAME:
            txn.put_blob(f"{EXPORT}/{name}/{path}", new.get(path))
