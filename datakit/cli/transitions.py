"""Stage transitions in words, and the single-step commands that run them."""

from __future__ import annotations

from pathlib import Path

import click

from datakit.cli.output import Bar, note, say, say_json
from datakit.repo.transitions.pipeline import Transition

_SHOWN = 5


def print_transition(transition: Transition) -> None:
    """The commit's subject, what was dropped or flagged and why, and what needs a decision."""
    say(transition.subject)
    dropped = list(transition.dropped.items())
    for key, drop in dropped[:_SHOWN]:
        say(f"  - {key}: {drop.reason}")
    if len(dropped) > _SHOWN:
        say(f"  … and {len(dropped) - _SHOWN} more in {transition.stage}/stage.json")
    flagged = [(key, one) for key, found in transition.flagged.items() for one in found]
    for key, flag in flagged[:_SHOWN]:
        say(f"  ? {key}: {flag.reason} ({flag.rule})")
    if len(flagged) > _SHOWN:
        say(f"  … and {len(flagged) - _SHOWN} more flags in {transition.stage}/stage.json")
    for line in transition.notes:
        note(f"note: {line}")
    for path in transition.conflicts:
        note(f"conflict: {transition.stage}/{path}: changed by hand and by its source; yours stays")


def run_stage_command(stage: str, *, as_json: bool) -> None:
    """Run one stage of the dataset around the current folder, and tell it."""
    from datakit.actions.advancing import run_stage
    from datakit.actions.project import open_project

    with Bar() as bar:
        transition = run_stage(open_project(Path.cwd()), stage, progress=bar)
    if as_json:
        say_json([transition] if transition else [])
    elif transition is None:
        say(f"{stage}: nothing changed")
    else:
        print_transition(transition)


def stage_command(name: str, stage: str, text: str) -> click.Command:
    """The command that runs one stage."""

    def run(as_json: bool) -> None:
        run_stage_command(stage, as_json=as_json)

    option = click.Option(["--json", "as_json"], is_flag=True, help="Print what was done as JSON.")
    return click.Command(name, callback=run, help=text, params=[option])
