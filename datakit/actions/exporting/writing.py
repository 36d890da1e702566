"""dsk export: wip as the files that a trainer reads, linked, with a manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from datakit import __version__
from datakit.actions.exporting.manifests import (
    config_digest,
    context_digest,
    export_staleness,
    input_of,
    read_manifest,
    written_tree,
)
from datakit.actions.exporting.material import gather_material, source_stage
from datakit.actions.linting.preflight import in_words, preflight
from datakit.actions.project import STAGES, Counted, Project
from datakit.errors import DskError, StateError, UsageError
from datakit.exports.asking import NO_FLAGS
from datakit.exports.expressing import some, unheld
from datakit.exports.model import (
    EXPORTS,
    MANIFEST_NAME,
    Export,
    Ignored,
    Manifest,
    Material,
    Plan,
    encode_manifest,
    file_hashes,
)
from datakit.exports.recipes.making import recipe_for
from datakit.exports.settings import Asked, Flags
from datakit.model.order import COMPUTED, EXPORT, RAW, WIP
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.items import typed
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.stagetree import read_lock, stage_tree
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
        if made.plan.packs:
            raise UsageError(
                f"{name} packs images into files of its own, which the dataset would hold twice",
                hint=f"dsk export --format {name} --to DIR",
            )
        ignored = preflight_of(project, export, asked, force=force, progress=progress)
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


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One format's files, not yet written anywhere."""

    material: Material
    plan: Plan
    left_out: dict[str, str]
    """Item key → why it is not in the export."""
    notes: tuple[str, ...]
    """What a person must know."""


def make(
    project: Project, export: Export, asked: Asked, *, root: bytes | None, folder: Path | None, progress: Progress
) -> Made:
    """Work out one format's files; writes nothing but images that had to be made anew, into the store.

    Raises:
        StateError: nothing to export, or conflicts that nobody decided, or images that are not in this clone.
        ConfigError, UsageError: what is asked cannot be.
    """
    dataset = project.dataset
    if asked.flags.config:  # a slip is told before the work
        _refuse_unconfigurable(export)
        recipe_for(asked.flags.config, asked)
    if stage_tree(dataset, root, source_stage(asked.flags)) is None:
        raise _empty(dataset, root)
    _refuse_conflicts(dataset, root)
    found = gather_material(project, export, asked, root=root, folder=str(folder) if folder else "", progress=progress)
    plan = export.plan(found.material)
    if found.material.recipe is not None:
        plan = msgspec.structs.replace(plan, texts=plan.texts | configured(export, found.material))
    left_out = found.left_out | plan.left_out
    advice = found.material.recipe.advice if found.material.recipe is not None else ()
    notes = [*found.notes, *plan.warnings, *unheld(export, found.material), *advice]
    if found.num_changed:
        notes.append(f"{Counted(found.num_changed, 'image')} made upright, opaque RGB for the trainer")
    if left_out:
        shown = some([f"{key} ({reason})" for key, reason in sorted(left_out.items())])
        notes.append(f"left out: {shown}")
    return Made(material=found.material, plan=plan, left_out=left_out, notes=tuple(notes))


def configured(export: Export, material: Material) -> dict[str, bytes]:
    """The starter config that the material's recipe asks for.

    Raises:
        UsageError: the format is of no one trainer.
    """
    _refuse_unconfigurable(export)
    if export.configure is None or material.recipe is None:
        return {}
    return export.configure(material, material.recipe)


def _refuse_unconfigurable(export: Export) -> None:
    if export.configure is None:
        able = [EXPORTS.load(name).name for name in EXPORTS.names() if EXPORTS.load(name).configure is not None]
        raise UsageError(f"{export.name} has no trainer to write a config for", hint=f"these have: {', '.join(able)}")


def preflight_of(
    project: Project, export: Export, asked: Asked, *, force: bool, progress: Progress
) -> tuple[Ignored, ...]:
    """What lint finds for the format's trainer and was gone past; it looks at wip, and at no other stage.

    Raises:
        StateError: lint finds errors, and there is no `force`.
    """
    if source_stage(asked.flags) != WIP:
        return ()
    return preflight(project, export.target, force=force, mended=export.mends, progress=progress)


def manifest_of(
    project: Project,
    export: Export,
    asked: Asked,
    made: Made,
    *,
    root: bytes | None,
    commit: bytes | None,
) -> Manifest:
    """What is written down of an export."""
    dataset = project.dataset
    folder = made.material.folder
    return Manifest(
        dsk=__version__,
        format=export.name,
        commit=commit.hex() if commit else "",
        input=input_of(dataset, root, asked),
        config=config_digest(export, asked, folder=folder),
        context=context_digest(project, export, asked, root),
        settings=msgspec.to_builtins({"common": asked.common, "own": asked.own}),
        flags=asked.flags,
        items=made.plan.items,
        left_out=made.left_out,
        files=file_hashes(made.plan, {}),
        warnings=made.notes,
    )


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
