"""dsk switch."""

from pathlib import Path

import click

from datakit.actions.branching import switch
from datakit.actions.project import open_project
from datakit.cli.output import note, say, say_json


@click.command("switch")
@click.argument("name")
@click.option("-c", "--create", is_flag=True, help="Begin the branch first.")
@click.option("--from", "revision", default="", metavar="REV", help="With --create: where it begins; default: here.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(name: str, create: bool, revision: str, as_json: bool) -> None:
    """Go to the branch NAME: images, captions and settings stand as they are there.

    Your edits are committed on the branch that you leave, so they are there when you come back. Files that dsk does
    not look after stay where they are.
    """
    if revision and not create:
        raise click.UsageError("--from goes with --create")
    done = switch(open_project(Path.cwd()), name, create=create, revision=revision)
    if as_json:
        say_json(done)
        return
    is_here = not create and done.before == done.branch.name
    say(f"{'already ' if is_here else ''}on {done.branch.name} at {done.branch.commit[:10]}: {done.branch.subject}")
    if done.left_behind:
        short = done.left_behind[:10]
        note(f"note: no branch has commit {short} any more: dsk branch NAME --from {short}")
