"""dsk export: wip as the files that a trainer reads, linked, with a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from datakit.actions.exporting.making import make, manifest_of, preflight_of, refuse_packs
from datakit.actions.exporting.manifests import export_staleness, read_manifest, written_tree
from datakit.actions.linting.preflight import in_words
from datakit.actions.project import Counted, Project
from datakit.errors import DskError
from datakit.exports.asking import NO_FLAGS
from datakit.exports.model import EXPORTS, MANIFEST_NAME, Plan, encode_manifest
from datakit.exports.settings import Flags
from datakit.model.order import COMPUTED, EXPORT
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import Transaction, transaction
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
    project: Project, name: str, *, flags: Flags | None = None, force: bool = False, progress: Progress = silent
) -> Transition | None:
    """Write one format into the dataset as one operation; None when it was up to date.

    Without `flags` it is written as it was asked for the last time.

    Raises:
        UsageError: no such format, no such stage, a flag that says nothing.
        StateError: the stage is empty, or holds conflicts, or lint finds errors for the format's trainer and there is
            no `force`.
    """
    dataset = project.dataset
    export = EXPORTS.load(name)
    with transaction(dataset, EXPORT, {"format": name, "force": force, **_said(flags)}) as txn:
        root = txn.base_tree
        asked = project.export_asked(name, flags if flags is not None else _flags_before(dataset, root, name))
        if not export_staleness(project, root, name, asked.flags):
            return None
        made = make(project, export, asked, root=root, folder=dataset.root / EXPORT / name, progress=progress)
        refuse_packs(name, made.plan)
        ignored = preflight_of(project, export, asked, unasked=made.unasked, force=force, progress=progress)
        _put(txn, name, made.plan)
        manifest = manifest_of(project, export, asked, made, root=root, commit=txn.base)
        manifest = msgspec.structs.replace(manifest, ignored=ignored, tree=written_tree(dataset, txn.tree(), name))
        txn.put(f"{EXPORT}/{name}/{MANIFEST_NAME}", encode_manifest(manifest))
        num = len(made.plan.items)
        progress(f"{EXPORT} {name}", num, num)
        subject = f"{EXPORT}: {name}, {Counted(num, 'image')}"
        commit = txn.commit(subject, trailers={"Stage": EXPORT}) or ""
    notes = (*made.notes, *in_words(ignored, listed_in=f"{EXPORT}/{name}/{MANIFEST_NAME}"))
    return Transition(stage=EXPORT, commit=commit, subject=subject, num_kept=num, notes=notes)


def _said(flags: Flags | None) -> dict[str, Any]:
    """Of a command's flags, those that say something."""
    said: dict[str, Any] = msgspec.to_builtins(flags) if flags is not None else {}
    return said


def _flags_before(dataset: Dataset, root: bytes | None, name: str) -> Flags:
    manifest = read_manifest(dataset, root, name)
    return manifest.flags if manifest is not None else NO_FLAGS


def stale_before_wip(project: Project) -> dict[str, str]:
    """Stage → why it must run again, of the stages that wip is made by: what is exported misses their changes."""
    reasons = {stage: project.stale(stage, project.dataset.head_tree) for stage in COMPUTED}
    return {stage: reason for stage, reason in reasons.items() if reason}


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
