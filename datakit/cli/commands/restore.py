"""dsk restore."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.restoring import Restored, restore, tell_stages
from datakit.cli.output import say, say_json

_SHOWN = 10


@click.command("restore")
@click.argument("items", nargs=-1, required=True, metavar="ITEM...")
@click.option("--from", "revision", default="", metavar="REV", help="As they were in this commit, branch, tag or bake.")
@click.option("--stage", default="", metavar="STAGE", help="In this stage only.")
@click.option("--json", "as_json", is_flag=True, help="Print what was restored as JSON.")
def command(items: tuple[str, ...], revision: str, stage: str, as_json: bool) -> None:
    """Bring items back, image, caption and record together.

    An item that is missing comes back as it was last, into every stage that had it. With --from, an item becomes what
    it was then, also where it is not missing. If another item has its name by now, it comes back beside that one.

    \b
    Examples: dsk restore aria/danbooru_12
              dsk restore 'aria/*' --stage wip
              dsk restore aria/danbooru_12 --from HEAD~3
    """
    done = restore(open_project(Path.cwd()), items, revision=revision, stage=stage)
    if as_json:
        say_json(done)
    else:
        _print(done, revision)


def _print(done: Restored, revision: str) -> None:
    for key in done.unchanged[:_SHOWN]:
        say(f"{key}: is as it was in {revision}")
    if len(done.unchanged) > _SHOWN:
        say(f"… and {len(done.unchanged) - _SHOWN:,} more are as they were")
    if not done.commit:
        say("nothing to restore")
        return
    say(done.subject)
    shown = [one for one in done.items if len(done.items) > 1 or one.was][:_SHOWN]
    for one in shown:
        taken = f" ({one.was} belongs to another item by now)" if one.was else ""
        say(f"  {one.key}: {tell_stages(one.stages)}{taken}")
    if len(done.items) > _SHOWN:
        say(f"  … and {len(done.items) - _SHOWN:,} more (--json lists them)")
    if done.stale:
        say("next: dsk advance, and the later stages follow")
