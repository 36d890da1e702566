"""dsk status and dsk log: what is there, what is stale and why, what people changed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from datakit.actions.exporting.manifests import export_staleness
from datakit.actions.project import Project
from datakit.model.item import is_image, split_path
from datakit.model.lock import Lock
from datakit.model.order import COMPUTED, EXPORT, ORDER, WIP
from datakit.repo.counting import Count, count_stages
from datakit.repo.dataset import Dataset
from datakit.repo.operations.handedits import describe
from datakit.repo.operations.handrenames import find_renames
from datakit.repo.operations.pending import pending_tree
from datakit.repo.stagetree import TreeView, read_lock, stage_tree
from datakit.repo.worktree.look import Look
from datakit.repo.worktree.scan import scan
from datakit.store.objects import diff


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as it stands, hand edits that are not committed yet included."""

    stage: str
    num_images: int
    num_captions: int
    num_orphans: int = 0
    """Captions without an image."""
    num_dropped: int = 0
    """Items that the stage's function left out, and nobody put back."""
    num_flagged: int = 0
    """Items that are in the stage though a rule found something about them."""
    num_by_hand: int = 0
    """Items that people made otherwise than the stage's function."""
    hand_edits: tuple[str, ...] = ()
    """Paths that the next operation will commit."""
    stale: str = ""
    """Why it must run again; '' when it is up to date."""
    conflicts: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dataset as it stands."""

    root: str
    branch: str
    """'' where HEAD stands on a commit instead."""
    commit: str
    """'' before the first."""
    stages: tuple[StageStatus, ...]
    hand_edits: tuple[str, ...]
    """Paths that the next operation will commit."""
    hand_edits_summary: str = ""
    unmanaged: tuple[str, ...] = ()
    """Files in stage folders that dsk leaves alone."""
    missing: tuple[str, ...] = ()
    """Images that are not in this clone: their files hold the pointers' texts."""
    problem: str = ""
    """What keeps every operation from beginning, with its cure."""


def read_status(project: Project, begun: Look | None = None) -> Status:
    """Look; nothing is changed. `begun` is a look at the work tree that began already."""
    project.check_settings()
    dataset = project.dataset
    found = scan(dataset, begun)
    root = pending_tree(dataset, found.edits)
    counts = count_stages(dataset, (stage_tree(dataset, root, stage) for stage in ORDER))
    edits = tuple(edit.path for edit in found.edits)
    return Status(
        root=str(dataset.root),
        branch="" if dataset.repo.head_is_detached else dataset.branch_ref.removeprefix("refs/heads/"),
        commit=dataset.head.hex() if dataset.head else "",
        stages=tuple(
            _stage(project, root, stage, sum(count.values(), Count()), edits)
            for stage, count in zip(ORDER, counts, strict=True)
        ),
        hand_edits=edits,
        hand_edits_summary=describe(found.edits, find_renames(dataset, dataset.head_tree, found.edits)),
        unmanaged=tuple(found.unmanaged),
        missing=tuple(_missing(dataset, root, found.bare)),
        problem=f"{dataset.astray} ({dataset.way_back()})" if dataset.astray else "",
    )


def _missing(dataset: Dataset, root: bytes | None, bare: Iterable[str]) -> Iterator[str]:
    """Those of the pointers' texts whose image has not come; the next operation puts the others in their places."""
    view = TreeView(dataset, root)
    for path in bare:
        blob = view.blob(path)
        ref = dataset.image_ref(path, blob) if blob else None
        if ref is not None and not dataset.lfs.has(ref):
            yield path


def _stage(project: Project, root: bytes | None, stage: str, count: Count, edits: tuple[str, ...]) -> StageStatus:
    lock = read_lock(project.dataset, root, stage)
    touched, images = _by_hand(project.dataset, root, lock)
    return StageStatus(
        stage=stage,
        num_images=count.images,
        num_captions=count.captions,
        num_orphans=count.orphans,
        num_dropped=len(lock.dropped.keys() - images) if lock else 0,
        num_flagged=_num_flagged(project.dataset, root, lock),
        num_by_hand=len(touched),
        hand_edits=tuple(path for path in edits if path.startswith(f"{stage}/")),
        stale=_stale(project, root, stage),
        conflicts=tuple(sorted(lock.conflicts)) if lock else (),
    )


def _num_flagged(dataset: Dataset, root: bytes | None, lock: Lock | None) -> int:
    if lock is None or not lock.flagged:
        return 0
    items = TreeView(dataset, stage_tree(dataset, root, lock.stage)).items(lock.flagged)
    return sum(bool(item.images) for item in items.values())


def _by_hand(dataset: Dataset, root: bytes | None, lock: Lock | None) -> tuple[set[str], set[str]]:
    """Items that people made otherwise than the stage's function, and those of them that have an image of theirs."""
    if lock is None:
        return set(), set()
    auto = bytes.fromhex(lock.auto) or None
    if auto is not None and not dataset.objects.has(auto):
        return set(), set()  # dsk verify tells of it
    changes = list(diff(dataset.objects, auto, stage_tree(dataset, root, lock.stage)))
    touched = {split_path(change.path)[0] for change in changes}
    return touched, {split_path(change.path)[0] for change in changes if change.new and is_image(change.path)}


def _stale(project: Project, root: bytes | None, stage: str) -> str:
    if stage in COMPUTED:
        return project.stale(stage, root)
    if stage == EXPORT and stage_tree(project.dataset, root, WIP) is not None:
        reasons = ((name, export_staleness(project, root, name)) for name in project.settings(EXPORT).formats)
        return ", ".join(f"{name}: {reason}" for name, reason in reasons if reason)
    return ""
