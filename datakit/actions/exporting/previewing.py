"""dsk export --dry-run: what an export would be; nothing is committed, and no file is written.

Images that must be made anew for the trainer are made in the store, where the export itself would find them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import msgspec

from datakit.actions.exporting.buckets import Size, bucket_counts
from datakit.actions.exporting.making import make, preflight_of, refuse_packs
from datakit.actions.exporting.outside import Target
from datakit.actions.exporting.standing import find_export, pending_root, reason_of
from datakit.actions.project import Project
from datakit.exports.asking import NO_FLAGS
from datakit.exports.model import EXPORTS, Ignored, Subset
from datakit.exports.settings import Common, Flags
from datakit.model.order import EXPORT
from datakit.model.progress import Progress, silent


class PlannedSubset(msgspec.Struct, frozen=True, kw_only=True):
    """A subset as it would be trained."""

    name: str
    concept: str
    num_images: int
    repeats: int
    num_per_epoch: int
    """Images that an epoch shows; 0 of those that are held back."""
    loss_weight: float
    is_reg: bool
    is_validation: bool
    class_tokens: str


class Preview(msgspec.Struct, frozen=True, kw_only=True):
    """What would be exported."""

    format: str
    place: str
    """The folder, or the archive."""
    reason: str
    """Why files would change; '' when the export is up to date."""
    subsets: tuple[PlannedSubset, ...]
    num_images: int
    num_per_epoch: int
    batch_size: int
    steps_per_epoch: int
    """As sd-scripts counts: each bucket fills its own batches. Without regularization images, whose share trainers
    count each in their own way."""
    buckets: dict[str, int]
    """`832x1216` → images, each once."""
    num_files: int
    """The manifest apart."""
    left_out: dict[str, str]
    """Item key → why."""
    errors: tuple[Ignored, ...]
    """What lint finds in wip for the trainer: it would be refused without --force."""
    warnings: tuple[str, ...]


def preview_export(
    project: Project,
    name: str,
    target: Target | None = None,
    *,
    flags: Flags = NO_FLAGS,
    progress: Progress = silent,
) -> Preview:
    """Work out what `dsk export` with the same words would write.

    Raises:
        UsageError, StateError, ConfigError: what that export would be refused for, lint's errors apart.
    """
    export, dataset = EXPORTS.load(name), project.dataset
    with pending_root(dataset) as root:
        asked = project.export_asked(name, flags)
        found = find_export(project, root, name, target)
        folder = _folder(project, name, target)
        made = make(project, export, asked, root=root, folder=folder, progress=progress)
        if target is None:
            refuse_packs(name, made.plan)
        errors = preflight_of(project, export, asked, unasked=made.unasked, force=True, progress=progress)
        subsets = made.material.subsets
        sizes = bucket_counts(_images(subsets, repeated=False), asked.common)
        return Preview(
            format=name,
            place=str(target.place(name)) if target else f"{EXPORT}/{name}",
            reason=reason_of(project, found, root=root, flags=flags)[0],
            subsets=tuple(map(_planned, subsets)),
            num_images=len(made.plan.items),
            num_per_epoch=sum(_planned(subset).num_per_epoch for subset in subsets),
            batch_size=asked.common.batch_size,
            steps_per_epoch=_steps(subsets, asked.common),
            buckets={f"{width}x{height}": number for (width, height), number in sorted(sizes.items())},
            num_files=len(made.plan.images) + len(made.plan.texts) + len(made.plan.packs),
            left_out=dict(sorted(made.left_out.items())),
            errors=errors,
            warnings=made.notes,
        )


def _folder(project: Project, name: str, target: Target | None) -> Path | None:
    if target is None:
        return project.dataset.root / EXPORT / name
    return None if target.archive else target.folder


def _planned(subset: Subset) -> PlannedSubset:
    return PlannedSubset(
        name=subset.name,
        concept=subset.concept,
        num_images=len(subset.items),
        repeats=subset.repeats,
        num_per_epoch=0 if subset.is_validation else len(subset.items) * subset.repeats,
        loss_weight=subset.loss_weight,
        is_reg=subset.is_reg,
        is_validation=subset.is_validation,
        class_tokens=subset.class_tokens,
    )


def _images(subsets: Iterable[Subset], *, repeated: bool) -> Iterator[tuple[Size, int]]:
    """Each image's size; `repeated`: as often as an epoch shows it, else once."""
    return ((item.size_px, subset.repeats if repeated else 1) for subset in subsets for item in subset.items)


def _steps(subsets: Sequence[Subset], common: Common) -> int:
    trained = [subset for subset in subsets if not subset.is_validation and not subset.is_reg]
    batch = common.batch_size
    return sum(-(-number // batch) for number in bucket_counts(_images(trained, repeated=True), common).values())
