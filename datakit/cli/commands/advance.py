"""dsk advance."""

from pathlib import Path

import click

from datakit.actions.advancing import advance
from datakit.actions.project import open_project
from datakit.cli.output import Bar, say, say_json
from datakit.cli.transitions import print_transition
from datakit.model.order import EXPORT


@click.command("advance")
@click.argument("stage", default=EXPORT)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(stage: str, as_json: bool) -> None:
    """Run every stage that is out of date, in order, up to STAGE (default: export).

    Each stage is one commit. What people changed by hand in a stage's folder stays: it is merged with what the
    stage makes anew.
    """
    with Bar() as bar:
        tell = (lambda done: None) if as_json else print_transition
        done = advance(open_project(Path.cwd()), stage, progress=bar, tell=tell)
    if as_json:
        say_json(done)
    elif not done:
        say("everything is up to date")
