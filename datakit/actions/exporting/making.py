"""From what is asked to one format's files and their manifest, before they are written anywhere."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path
from typing import Final

import msgspec

from datakit import __version__
from datakit.actions.exporting.manifests import config_digest, context_digest, input_of
from datakit.actions.exporting.material import gather_material
from datakit.actions.linting.preflight import preflight, refusal, without_items
from datakit.actions.project import Counted, Project
from datakit.errors import StateError, UsageError
from datakit.exports.asking import source_stage
from datakit.exports.expressing import left_out_in_words, unheld
from datakit.exports.model import EXPORTS, Export, Ignored, Manifest, Material, Plan, file_hashes
from datakit.exports.recipes.making import recipe_for
from datakit.exports.settings import Asked
from datakit.model.order import ORDER, RAW, WIP
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset
from datakit.repo.items import typed
from datakit.repo.stagetree import read_lock, stage_tree


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """One format's files, not yet written anywhere."""

    material: Material
    plan: Plan
    left_out: dict[str, str]
    """Item key → why it is not in the export."""
    notes: tuple[str, ...]
    """What a person must know."""
    unasked: frozenset[str] = frozenset()
    """Keys of items that the query of the command does not find."""


MENDED: Final = frozenset(
    {
        *("transparent-image", "hidden-colour", "unapplied-rotation", "unread-image", "clipped-grey", "animated-image"),
        *("unusual-mode", "deep-image", "foreign-colour-profile", "byte-order-mark", "carriage-return"),
    }
)
"""Names of the lint rules whose findings in wip no export has: its images and captions are made ready first."""


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
    stage = source_stage(asked.flags)
    if stage_tree(dataset, root, stage) is None:
        raise _empty(dataset, root, stage)
    _refuse_conflicts(dataset, root, stage)
    found = gather_material(project, export, asked, root=root, folder=str(folder) if folder else "", progress=progress)
    plan = export.plan(found.material)
    if found.material.recipe is not None:
        plan = msgspec.structs.replace(plan, texts=plan.texts | configured(export, found.material))
    left_out = found.left_out | plan.left_out
    advice = found.material.recipe.advice if found.material.recipe is not None else ()
    notes = [*found.notes, *plan.warnings, *unheld(export, found.material), *advice]
    if found.num_changed:
        notes.append(f"{Counted(found.num_changed, 'image')} made upright, opaque RGB for the trainer")
    notes += left_out_in_words(left_out)
    if stage != WIP:
        notes.append(f"lint looked at nothing: it lints {WIP} before an export, and this is {stage}")
    return Made(material=found.material, plan=plan, left_out=left_out, notes=tuple(notes), unasked=found.unasked)


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
    project: Project, export: Export, asked: Asked, *, unasked: Collection[str], force: bool, progress: Progress
) -> tuple[Ignored, ...]:
    """What lint finds for the format's trainer and was gone past; it looks at wip, and at no other stage.

    Args:
        unasked: keys of items that are not exported, whatever lint finds in them.

    Raises:
        StateError: lint finds errors, and there is no `force`.
    """
    if source_stage(asked.flags) != WIP:
        return ()  # `make` says so
    found = preflight(project, export.target, force=True, mended=export.mends | MENDED, progress=progress)
    errors = without_items(found, unasked)
    if errors and not force:
        raise refusal(errors, export.target)
    return errors


def refuse_packs(name: str, plan: Plan) -> None:
    """Refuse to put into the dataset what holds images in files of its own.

    Raises:
        UsageError: it does.
    """
    if plan.packs:
        raise UsageError(
            f"{name} packs images into files of its own, which the dataset would hold twice",
            hint=f"dsk export --format {name} --to DIR",
        )


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


def _empty(dataset: Dataset, root: bytes | None, stage: str) -> StateError:
    """Why there is nothing in the stage, and what to do about it."""
    if stage_tree(dataset, root, RAW) is None:
        return StateError(f"{stage} is empty: nothing is imported yet", hint="dsk import PATH")
    for earlier in ORDER[1 : ORDER.index(stage) + 1]:
        lock = read_lock(dataset, root, earlier)
        if lock and lock.dropped and stage_tree(dataset, root, earlier) is None:
            dropped = Counted(len(lock.dropped), "image")
            return StateError(
                f"{stage} is empty: {earlier} dropped every one of {dropped}",
                hint=f"change [{earlier}] in dsk.toml; {earlier}/stage.json says why each was dropped",
            )
    return StateError(f"{stage} is empty: nothing to export", hint=f"dsk advance {stage}")


def _refuse_conflicts(dataset: Dataset, root: bytes | None, upto: str) -> None:
    """What nobody decided in later stages does not come into what is exported."""
    for stage in ORDER[: ORDER.index(upto) + 1]:
        lock = read_lock(dataset, root, stage)
        if lock and lock.conflicts:
            path = f"{stage}/{min(lock.conflicts)}"
            more = f" and {len(lock.conflicts) - 1} more" if len(lock.conflicts) > 1 else ""
            raise StateError(
                f"{path}{more}: changed by hand and by its source; yours stands until you decide",
                hint=f"dsk keep {typed(path)} keeps yours; with --theirs it becomes what {stage} made of its source",
            )
