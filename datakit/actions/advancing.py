"""dsk advance and its single steps: run the stages that are stale."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from datakit.actions.exporting.writing import export_all
from datakit.actions.project import Project
from datakit.errors import StateError, UsageError
from datakit.model.order import COMPUTED, EXPORT, ORDER, RAW
from datakit.model.progress import Progress, silent
from datakit.registry import nearest
from datakit.repo.operations.transaction import session, transaction
from datakit.repo.stagetree import stage_tree
from datakit.repo.transitions.pipeline import Step, Transition, run_step, staleness

Tell = Callable[[Transition], None]


def advance(
    project: Project, upto: str = EXPORT, *, progress: Progress = silent, tell: Tell = lambda done: None
) -> list[Transition]:
    """Run every stale stage up to `upto`, each as one commit, told as it is done; empty when all was up to date.

    Raises:
        UsageError: no such stage.
        StateError: raw is empty.
    """
    check_stage(upto)
    project.check()
    done: list[Transition] = []
    with session(project.dataset):
        for ran in _run_all(project, upto, progress):
            done.append(ran)
            tell(ran)
    return done


def _run_all(project: Project, upto: str, progress: Progress) -> Iterator[Transition]:
    for step in project.steps()[: ORDER.index(upto)]:
        if missing_taggers(step) and staleness(project.dataset, project.dataset.head_tree, step):
            step = equipped(project, step, progress)
        ran = _run(project, step, progress, force=False)
        if ran:
            yield ran
    if upto == EXPORT:
        yield from export_all(project, progress=progress)


def check_stage(upto: str) -> None:
    """Refuse a word that names no stage to advance to.

    Raises:
        UsageError: names the nearest.
    """
    if upto not in ORDER or upto == RAW:
        like = nearest(upto, list(ORDER[1:]))
        raise UsageError(
            f"no stage '{upto}' to advance to",
            hint=f"did you mean '{like}'?" if like else f"one of: {', '.join(ORDER[1:])}",
        )


def run_stage(project: Project, stage: str, *, progress: Progress = silent) -> Transition | None:
    """Run one stage, stale or not; None when nothing changed.

    Raises:
        StateError: a stage before it is stale.
    """
    project.check()
    steps = project.steps()
    step = equipped(project, steps[COMPUTED.index(stage)], progress)
    return _run(project, step, progress, force=True)


def equipped(project: Project, step: Step, progress: Progress) -> Step:
    """The step with the taggers that it uses; those of dsk that are not on this computer are fetched, once.

    What a dataset's own spec names is not: the dataset may be a stranger's, and so the repository.

    Raises:
        StateError: the hub cannot be reached, or does not have them, or somebody has to say that they may be fetched;
            the hint has the commands that bring them.
    """
    missing = missing_taggers(step)
    if not missing:
        return step
    from datakit.taggers.fetching import fetch
    from datakit.taggers.finding import require
    from datakit.taggers.specfiles import own_specs

    for found in missing:
        if found.name in own_specs(project.dataset.root):
            require(found)
        fetch(found, progress=progress)
    return project.step(step.stage.name)


def missing_taggers(step: Step) -> list[Any]:
    """Each a `datakit.taggers.finding.Found`, of the taggers whose files are not on this computer."""
    return [found for found in getattr(step.given, "taggers", ()) if not found.is_here]


def _run(project: Project, step: Step, progress: Progress, *, force: bool) -> Transition | None:
    dataset = project.dataset
    with transaction(dataset, step.stage.name) as txn:
        if stage_tree(dataset, txn.base_tree, RAW) is None and not staleness(dataset, txn.base_tree, step):
            raise StateError(f"{step.stage.name}: raw has no images yet", hint="dsk import PATH")
        if not force and not staleness(dataset, txn.base_tree, step):
            return None
        if force:
            _refuse_stale_source(project, txn.base_tree, step)
        ran = run_step(txn, step, progress)
        return ran if ran.commit else None


def _refuse_stale_source(project: Project, root: bytes | None, step: Step) -> None:
    for earlier in project.steps()[: COMPUTED.index(step.stage.name)]:
        reason = staleness(project.dataset, root, earlier)
        if reason:
            name = earlier.stage.name
            raise StateError(
                f"{step.stage.name}: {name} must run first ({reason})", hint=f"dsk advance {step.stage.name} runs both"
            )
