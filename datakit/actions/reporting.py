"""dsk status and dsk log: what is there, what is stale and why, what people changed by hand."""

from __future__ import annotations

import msgspec

from datakit.actions.exporting import export_staleness
from datakit.actions.project import Project
from datakit.exports.model import EXPORTS
from datakit.model.item import CAPTION_EXTENSION, is_image, split_path
from datakit.model.order import COMPUTED, EXPORT, ORDER, WIP
from datakit.repo.handedits import describe
from datakit.repo.pipeline import staleness
from datakit.repo.scan import Scan, scan
from datakit.repo.stagetree import read_lock, stage_tree


class StageStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One stage as it stands."""

    stage: str
    num_images: int
    num_captions: int
    num_dropped: int = 0
    stale: str = ""
    """Why it must run again; '' when it is up to date."""
    conflicts: tuple[str, ...] = ()


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """The whole dataset as it stands."""

    root: str
    commit: str
    stages: tuple[StageStatus, ...]
    hand_edits: tuple[str, ...]
    """Paths that the next operation will commit."""
    hand_edits_summary: str = ""
    unmanaged: tuple[str, ...] = ()
    """Files in stage folders that dsk leaves alone."""


def read_status(project: Project) -> Status:
    """Look; nothing is changed."""
    project.check()
    dataset = project.dataset
    found = scan(dataset)
    root = dataset.head_tree
    return Status(
        root=str(dataset.root),
        commit=dataset.head.hex() if dataset.head else "",
        stages=tuple(_stage(project, root, stage, found) for stage in ORDER),
        hand_edits=tuple(edit.path for edit in found.edits),
        hand_edits_summary=describe(found.edits),
        unmanaged=tuple(found.unmanaged),
    )


def _stage(project: Project, root: bytes | None, stage: str, found: Scan) -> StageStatus:
    lock = read_lock(project.dataset, root, stage)
    images, captions = _count(found, f"{stage}/")
    return StageStatus(
        stage=stage,
        num_images=images,
        num_captions=captions,
        num_dropped=len(lock.dropped) if lock else 0,
        stale=_stale(project, root, stage),
        conflicts=tuple(sorted(lock.conflicts)) if lock else (),
    )


def _count(found: Scan, prefix: str) -> tuple[int, int]:
    paths = [path for path in found.stats if path.startswith(prefix)]
    return sum(map(is_image, paths)), sum(split_path(path)[1] == CAPTION_EXTENSION for path in paths)


def _stale(project: Project, root: bytes | None, stage: str) -> str:
    if stage in COMPUTED:
        return staleness(project.dataset, root, project.step(stage))
    if stage == EXPORT and stage_tree(project.dataset, root, WIP) is not None:
        reasons = (
            (name, export_staleness(project.dataset, root, EXPORTS.load(name), project.export_settings(name)))
            for name in project.settings(EXPORT).formats
        )
        return ", ".join(f"{name}: {reason}" for name, reason in reasons if reason)
    return ""
