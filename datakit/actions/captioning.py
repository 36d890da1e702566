"""dsk caption: the stage captioned, on the provider that was told, with its command allowed."""

from __future__ import annotations

import msgspec

from datakit.actions.advancing import run_stage
from datakit.actions.defaulttagger import adopt_default
from datakit.actions.project import Project, open_project
from datakit.errors import UsageError
from datakit.model.order import before
from datakit.model.progress import Progress, silent
from datakit.repo.transitions.pipeline import Transition

STAGE = "captioned"


def caption(project: Project, *, provider: str = "", progress: Progress = silent) -> Transition | None:
    """Run the stage captioned, stale or not; None when nothing changed.

    `provider` is one of `datakit.taggers.providers.PROVIDERS`, '' for the best that is here. Where no tagger is
    configured and items would have no tag, the default one is written into dsk.toml first; the notes tell.

    Raises:
        UsageError: the provider is not here.
        StateError: a stage before is stale, a tagger's files cannot be fetched, or the command is not allowed.
    """
    if not provider:
        return _caption(project, progress)
    from datakit.taggers.providers import told_provider

    with told_provider(provider):
        return _caption(project, progress)


def _caption(project: Project, progress: Progress) -> Transition | None:
    note = "" if project.stale(before(STAGE), project.dataset.head_tree) else adopt_default(project)
    if not note:
        return run_stage(project, STAGE, progress=progress)
    done = run_stage(open_project(project.dataset.root), STAGE, progress=progress)
    done = done or Transition(stage=STAGE, commit="", subject=f"{STAGE}: nothing changed")
    return msgspec.structs.replace(done, notes=(note, *done.notes))


def allow_command(project: Project) -> str:
    """Let the dataset's `captioned.command` run from now on, for this dataset on this computer; returns it.

    Raises:
        UsageError: the dataset has none.
    """
    from datakit.taggers.command import allow

    command: str = project.settings(STAGE).command
    if not command:
        raise UsageError("dsk.toml has no captioned.command to allow")
    allow(command)
    return command
