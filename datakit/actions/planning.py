"""What `dsk advance` would do, and why: nothing is changed."""

from __future__ import annotations

import msgspec

from datakit.actions.advancing import check_stage
from datakit.actions.exporting.manifests import export_staleness
from datakit.actions.project import Project
from datakit.model.order import EXPORT, ORDER, RAW, WIP
from datakit.repo.operations.pending import pending_tree
from datakit.repo.stagetree import stage_tree
from datakit.repo.transitions.pipeline import reach, staleness
from datakit.repo.worktree.scan import scan


class Planned(msgspec.Struct, frozen=True, kw_only=True):
    """One stage, or export format, that would run."""

    stage: str
    reason: str
    """Why it is stale, or which stage runs before it."""
    num_changed: int | None = None
    """Items to decide anew; None where it is all of them, or where it depends on a stage that runs before."""
    follows: bool = False
    """Whether it runs only as far as a stage before it changes something."""


def plan_advance(project: Project, upto: str = EXPORT) -> list[Planned]:
    """The stages that `advance` would run, in order, hand edits that are not committed yet included.

    Raises:
        UsageError: no such stage.
    """
    check_stage(upto)
    project.check()
    dataset = project.dataset
    root = pending_tree(dataset, scan(dataset).edits)
    if stage_tree(dataset, root, RAW) is None:
        return []
    planned: list[Planned] = []
    for step in project.steps()[: ORDER.index(upto)]:
        name, reason = step.stage.name, staleness(dataset, root, step)
        if reason:
            keys = reach(dataset, root, step)
            follows = bool(planned) and keys is not None
            number = None if follows or keys is None else len(keys)
            planned.append(Planned(stage=name, reason=reason, num_changed=number, follows=follows))
        elif planned:
            planned.append(Planned(stage=name, reason=f"{planned[-1].stage} runs before it", follows=True))
    return planned + (_exports(project, root, planned) if upto == EXPORT else [])


def _exports(project: Project, root: bytes | None, planned: list[Planned]) -> list[Planned]:
    found = []
    for name in project.settings(EXPORT).formats:
        stage = f"{EXPORT} {name}"
        reason = export_staleness(project, root, name)
        if planned and (not reason or stage_tree(project.dataset, root, WIP) is None):
            found.append(Planned(stage=stage, reason=f"{planned[-1].stage} runs before it", follows=True))
        elif reason and stage_tree(project.dataset, root, WIP) is not None:
            found.append(Planned(stage=stage, reason=reason))
    return found
