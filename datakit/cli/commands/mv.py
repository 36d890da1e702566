"""dsk mv."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.renaming import rename
from datakit.cli.output import note, say, say_json

_SHOWN = 10


@click.command("mv")
@click.argument("words", nargs=-1, required=True, metavar="ITEM... NEW")
@click.option("--json", "as_json", is_flag=True, help="Print what was renamed as JSON.")
def command(words: tuple[str, ...], as_json: bool) -> None:
    """Rename an item, in every stage at once: image, caption and record.

    NEW is `concept/stem`, or a stem alone, which stays in the item's concept. Where it ends with a slash it is a
    concept, and all ITEMs go there. Hand edits stay with the item, and no stage must run again.

    \b
    Examples: dsk mv aria/danbooru_12 aria/smiling
              dsk mv 'aria/back_*' wip/aria/x.png aria_back/
    """
    *items, new = words
    if not items:
        raise click.UsageError(f"NEW is missing: what is '{new}' to be called? (dsk mv ITEM NEW)")
    done = rename(open_project(Path.cwd()), items, new)
    if as_json:
        say_json(done)
        return
    for line in done.notes:
        note(f"note: {line}")
    if not done.commit:
        say("nothing to rename: that is what it is called")
        return
    say(done.subject)
    if len(done.renamed) > 1:
        for old, now in list(done.renamed.items())[:_SHOWN]:
            say(f"  {old} → {now}")
        if len(done.renamed) > _SHOWN:
            say(f"  … and {len(done.renamed) - _SHOWN:,} more (--json lists them)")
