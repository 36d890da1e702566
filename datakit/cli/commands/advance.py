"""dsk advance."""

from pathlib import Path

import click

from datakit.actions.advancing import advance
from datakit.actions.planning import Planned, plan_advance
from datakit.actions.project import Counted, open_project
from datakit.cli.output import Bar, say, say_json
from datakit.cli.transitions import print_transition
from datakit.model.order import EXPORT
from datakit.repo.transitions.pipeline import Transition


@click.command("advance")
@click.argument("stage", default=EXPORT)
@click.option("--dry-run", is_flag=True, help="Say what would run, and why; change nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(stage: str, dry_run: bool, as_json: bool) -> None:
    """Run every stage that is out of date, in order, up to STAGE (default: export).

    Each stage is one commit, and computes only items whose inputs changed. What people changed by hand in a stage's
    folder stays: it is merged with what the stage makes anew.
    """
    if dry_run:
        _print_plan(plan_advance(open_project(Path.cwd()), stage), as_json)
        return
    done: list[Transition] = []
    tell = done.append if as_json else print_transition
    try:
        with Bar() as bar:
            ran = advance(open_project(Path.cwd()), stage, progress=bar, tell=tell)
    finally:  # the stages before one that fails are done
        if as_json:
            say_json(done)
    if not as_json and not ran:
        say("everything is up to date")


def _print_plan(planned: list[Planned], as_json: bool) -> None:
    if as_json:
        say_json(planned)
    elif not planned:
        say("everything is up to date")
    for one in () if as_json else planned:
        say(f"{one.stage}: {one.reason}{_extent(one)}")


def _extent(planned: Planned) -> str:
    if planned.num_changed is not None:
        return f" ({Counted(planned.num_changed, 'item')} to look at)"
    return "" if planned.follows else " (all items)"
