"""dsk find leaks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from datakit.actions.leaks import Asked, LeaksFound
    from datakit.model.progress import Progress

_SHOWN = 30
_SHOWN_LEFT_OUT = 5


@click.command("leaks")
@click.option("--stage", default="", metavar="STAGE", help="In these captions, not in those of the last stage.")
@click.option("--where", default="", metavar="QUERY", help="Only where QUERY finds the item; see dsk find.")
@click.option("--tagger", "taggers", multiple=True, metavar="NAME", help="Not those of [captioned]; again for more.")
@click.option("--unseen", is_flag=True, help="The reverse: tags that captions have and taggers do not see.")
@click.option("--min-score", type=click.FloatRange(0, 1), help="A leak is seen with so much or more (0.75).")
@click.option("--max-score", type=click.FloatRange(0, 1), help="With --unseen: is seen with less than that (0.05).")
@click.option("--items", "by_item", is_flag=True, help="List images with their tags, those with the most first.")
@click.option("--fix", "fixes", is_flag=True, help="Add them to the captions that lack them; take unseen ones away.")
@click.option("--dry-run", is_flag=True, help="With --fix: only show what would change.")
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
@click.argument("tags", nargs=-1, metavar="[TAG]...")
def command(tags: tuple[str, ...], fixes: bool, dry_run: bool, as_json: bool, by_item: bool, **options: Any) -> None:
    """List tags that a tagger sees in images and their captions lack: what a model learns with the trigger.

    What [cleaned] leaves out - blacklists, traits - and what was taken out by hand is no leak. With --fix, one
    operation adds what is missing, or the TAGs alone, to the captions of the images where they are seen.
    """
    from datakit.actions.leaks import find_leaks, fix_leaks
    from datakit.actions.project import open_project
    from datakit.cli.output import Bar, say, say_json

    if (dry_run or tags) and not fixes:
        raise click.UsageError("TAG and --dry-run go with --fix")
    project = open_project(Path.cwd())
    with Bar() as bar:
        found = find_leaks(project, _asked(bar, **options))
    if fixes and found.tags:
        done = fix_leaks(project, found, tags, dry_run=dry_run)
        if as_json:
            say_json(done)
        else:
            say(f"dry run: {done.subject}" if dry_run else done.subject or f"nothing to change in {done.stage}")
    elif as_json:
        say_json(found)
    else:
        _print(found, by_item=by_item)


def _asked(progress: Progress, *, unseen: bool, min_score: float | None, max_score: float | None, **rest: Any) -> Asked:
    from datakit.actions.leaks import Asked

    if (min_score if unseen else max_score) is not None:
        raise click.UsageError("--min-score is of leaks, --max-score goes with --unseen")
    limit = max_score if unseen else min_score
    return Asked(rest["stage"], rest["where"], rest["taggers"], "unseen" if unseen else "leaks", limit, progress)


def _print(found: LeaksFound, *, by_item: bool) -> None:
    from datakit.cli.output import note, say, table, tell_skipped

    if by_item:
        for key, tags in list(found.items.items())[:_SHOWN]:
            say(f"{key}: {', '.join(f'{tag} {score:.2f}' for tag, score in tags.items())}")
        rest, word = len(found.items) - _SHOWN, "items"
    else:
        rows = [(row.tag, f"{row.num_images:,}", f"{row.mean_score:.2f}", ", ".join(row.samples)) for row in found.tags]
        if rows:
            table(("tag", "images", "score", "for example"), rows[:_SHOWN], right=("images", "score"))
        rest, word = len(rows) - _SHOWN, "tags"
    if rest > 0:
        say(f"… and {rest:,} more {word} (--json lists them)")
    for out in found.left_out[:_SHOWN_LEFT_OUT]:
        say(f"on purpose: {out.tag} in {out.num_images:,} (left out: {out.reason})")
    if len(found.left_out) > _SHOWN_LEFT_OUT:
        say(f"on purpose: {len(found.left_out) - _SHOWN_LEFT_OUT:,} more (--json lists them)")
    tell_skipped([f"{key} cannot be looked at" for key in found.unreadable])
    what = "seen but not tagged" if found.kind == "leaks" else "tagged but not seen"
    note(f"{len(found.tags):,} {what} in {len(found.items):,} of {found.num_images:,} images of {found.stage}")
    if found.tags:
        unseen = " --unseen" if found.kind == "unseen" else ""
        note(f"dsk find leaks{unseen} --fix [TAG]... {'takes them away' if unseen else 'adds them'}")
