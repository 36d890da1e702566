"""dsk drop."""

from pathlib import Path

import click

from datakit.actions.deciding import drop
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, tell_skipped
from datakit.model.order import WIP


@click.command("drop")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--reason", required=True, metavar="TEXT", help="Why; dsk why tells it later.")
@click.option("--stage", default="", metavar="STAGE", help="Out of this stage instead of filtered.")
@click.option("--json", "as_json", is_flag=True, help="Print what was dropped as JSON.")
def command(items: tuple[str, ...], reason: str, stage: str, as_json: bool) -> None:
    """Take items out of a stage, image and caption: out of filtered, unless a path or --stage names another.

    The stages before keep them, later stages follow with dsk advance, and no rebuild brings them back. dsk restore
    does, and so does dsk keep where the stage before has them.
    """
    done = drop(open_project(Path.cwd()), items, reason=reason, stage=stage)
    if as_json:
        say_json(done)
        return
    say(done.subject)
    tell_skipped([f"{one.key} is {one.why}" for one in done.skipped])
    if any(one.stage != WIP for one in done.decisions):
        say("next: dsk advance, and the later stages follow")
