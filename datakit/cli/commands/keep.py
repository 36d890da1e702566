"""dsk keep."""

from pathlib import Path

import click

from datakit.actions.deciding import Decision, keep
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, tell_skipped

_SHOWN = 10


@click.command("keep")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--stage", default="", metavar="STAGE", help="In this stage only, not the first that lacks the item.")
@click.option("--theirs", is_flag=True, help="Take the file that the stage made instead of yours.")
@click.option("--json", "as_json", is_flag=True, help="Print what was decided as JSON.")
def command(items: tuple[str, ...], stage: str, theirs: bool, as_json: bool) -> None:
    """Decide for items: bring back what a rule or a person dropped, or end a conflict.

    An item that is in conflict stays as it is, or becomes what the stage made with --theirs. Any other comes back
    into the first stage that lacks it, and no rebuild drops it again; dsk advance carries it on.
    """
    done = keep(open_project(Path.cwd()), items, stage=stage, theirs=theirs)
    if as_json:
        say_json(done)
        return
    say(done.subject)
    tell_skipped([f"{one.key}: {one.why}" for one in done.skipped])
    for one in done.decisions[:_SHOWN]:
        say(f"  {_told(one, theirs=theirs)}")
    if len(done.decisions) > _SHOWN:
        say(f"  … and {len(done.decisions) - _SHOWN:,} more (--json lists them)")
    if theirs or any(one.what == "kept" for one in done.decisions):
        say("next: dsk advance carries that on to the later stages")


def _told(one: Decision, *, theirs: bool) -> str:
    if one.what == "decided":
        side = "gone, like its source" if one.is_gone else "taken from its source" if theirs else "yours stays"
        return f"{', '.join(one.files)}: {side}"
    if one.rule:
        return f"{one.stage}/{one.key}: back, although {one.rule} says: {one.rule_reason}"
    return f"{one.stage}/{one.key}: back as {one.stage} made it"
