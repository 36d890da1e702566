"""dsk unlock."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.unlocking import unlock
from datakit.cli.output import say, say_json, tell_skipped


@click.command("unlock")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--stage", default="", metavar="STAGE", help="The images of this stage instead of wip.")
@click.option("--json", "as_json", is_flag=True, help="Print the paths as JSON.")
def command(items: tuple[str, ...], stage: str, as_json: bool) -> None:
    """Make the images of items writable, so that a program can edit them in place.

    Images that are the same in several stages share one read-only file. An unlocked one is a copy of its own: what
    is done to it changes no other stage.
    """
    done = unlock(open_project(Path.cwd()), items, stage=stage)
    if as_json:
        say_json(done)
        return
    for path in done.paths:
        say(f"{path}: writable")
    for path in done.already:
        say(f"{path}: was writable already")
    tell_skipped([f"{key} has no image there" for key in done.skipped])
