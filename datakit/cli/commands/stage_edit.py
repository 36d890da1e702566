"""dsk edit."""

from __future__ import annotations

from pathlib import Path

import click

from datakit.actions.retouching import Retouched, retouch
from datakit.cli.output import note, say, say_json
from datakit.cli.transitions import run_stage_command
from datakit.errors import UsageError


@click.command("edit")
@click.argument("item", required=False, default="", metavar="[ITEM]")
@click.option("--with", "program", default="", metavar="PROGRAM", help="Open ITEM in it; {} stands for the file.")
@click.option("--stage", default="", metavar="STAGE", help="ITEM's image in this stage instead of edited.")
@click.option("--take", "is_take", is_flag=True, help="Take back what a program saved that ended at once.")
@click.option("--anew", "is_anew", is_flag=True, help="Set aside what an earlier program left of ITEM.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(item: str, program: str, stage: str, is_take: bool, is_anew: bool, as_json: bool) -> None:
    """Run the stage edited: images upright, opaque, in sRGB, cropped and resized as the settings and records say.

    An image that needs nothing of it keeps its very bytes.

    With ITEM and --with, open its image in a painting program and take back what it saves: a hand edit of the stage
    edited, which rebuilds leave alone. Other dsk commands work while the program is open.
    """
    if not item:
        if program or stage or is_take or is_anew:
            raise UsageError("of which item?", hint="dsk edit ITEM --with gimp; dsk edit alone runs the stage")
        run_stage_command("edited", as_json=as_json)
        return
    if bool(program) == is_take:
        raise UsageError(
            f"what is to be done with {item}?", hint=f"dsk edit {item} --with gimp, or --take; dsk crop takes a part"
        )
    from datakit.actions.project import open_project

    done = retouch(open_project(Path.cwd()), item, program, stage=stage, is_anew=is_anew, tell=note)
    if as_json:
        say_json(done)
        return
    _tell(done)


def _tell(done: Retouched) -> None:
    say(done.subject or f"{done.path}: unchanged")
    for line in done.notes:
        note(f"note: {line}")
    if done.commit:
        say("next: dsk advance, and the later stages follow")
