"""dsk merge."""

from pathlib import Path

import click

from datakit.actions.branching import merge
from datakit.actions.project import open_project
from datakit.cli.output import note, say, say_json
from datakit.repo.branches.merging import PREFER


@click.command("merge")
@click.argument("branch")
@click.option("--prefer", type=click.Choice(PREFER), help="Which side's settings stand where both changed them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(branch: str, prefer: str | None, as_json: bool) -> None:
    """Bring the work of BRANCH into the branch that you are on, as one operation.

    Every stage is merged as when it runs again: captions as sets of tags, an image as a whole, what a person removed
    or kept stays removed or kept. An image that both changed is a conflict; yours stands until you decide (dsk keep).
    """
    done = merge(open_project(Path.cwd()), branch, prefer=prefer or "")
    if as_json:
        say_json(done)
        return
    say(done.subject)
    for line in done.notes:
        note(f"note: {line}")
    for path in done.conflicts:
        note(f"conflict: {path}: changed on both branches; yours stays (dsk keep decides)")
    if done.commit:
        say("next: dsk advance")
