"""dsk tag."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datakit.cli.output import Bar, say, say_json, table, tell_skipped

if TYPE_CHECKING:
    from datakit.actions.tagging import TagEdit, TagsEdited

_SHOWN = 20


@click.group("tag")
def command() -> None:
    """Edit tags of many captions at once, each time as one operation that dsk undo takes back.

    Tags that an edit does not touch stay as they are spelled. A tag to look for is a name, a pattern with *, or a
    regular expression between slashes. The trigger stays first, and what stands before `|||` stays before it.
    """


def _edit(function: Callable[..., None]) -> Callable[..., None]:
    """The options that every verb has."""
    options = (
        click.option("--where", default="", metavar="QUERY", help="Only where QUERY finds the item; see dsk find."),
        click.option("--stage", default="", metavar="STAGE", help="In this stage, not in the last that has captions."),
        click.option("--dry-run", is_flag=True, help="Only show what would change."),
        click.option("--json", "as_json", is_flag=True, help="Print what changes as JSON."),
    )
    for option in reversed(options):
        function = option(function)
    return function


@command.command("add")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@click.option("--first", is_flag=True, help="In front of the other tags, behind the trigger.")
@click.option("--last", is_flag=True, help="Behind the other tags; so it is without options.")
@click.option("--after", default="", metavar="TAG", help="Behind this tag; last where it is not there.")
@_edit
def add_command(tags: tuple[str, ...], first: bool, last: bool, after: str, **options: Any) -> None:
    """Add tags where they are not there yet; an item without a caption gets one."""
    from datakit.actions.tagverbs import add

    if first + last + bool(after) > 1:
        raise click.UsageError("--first, --last and --after exclude each other")
    _run(add(tags, first=first, after=after), **options)


@command.command("remove")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@_edit
def remove_command(tags: tuple[str, ...], **options: Any) -> None:
    """Take tags away: names, patterns such as 'blue_*', expressions such as '/^blue_/'."""
    from datakit.actions.tagverbs import remove

    _run(remove(tags), **options)


@command.command("replace")
@click.argument("old")
@click.argument("new", nargs=-1, required=True, metavar="NEW...")
@_edit
def replace_command(old: str, new: tuple[str, ...], **options: Any) -> None:
    """Put NEW tags in the place of OLD, which may be a pattern."""
    from datakit.actions.tagverbs import replace

    _run(replace(old, new), **options)


@command.command("rename")
@click.argument("old")
@click.argument("new")
@_edit
def rename_command(old: str, new: str, **options: Any) -> None:
    r"""Call OLD by the name NEW, in its place.

    Where OLD is an expression, NEW may hold its groups: dsk tag rename '/^(.*)_hat$/' '\1_cap'.
    """
    from datakit.actions.tagverbs import rename

    _run(rename(old, new), **options)


@command.command("move-first")
@click.argument("tags", nargs=-1, required=True, metavar="TAG...")
@_edit
def move_first_command(tags: tuple[str, ...], **options: Any) -> None:
    """Put tags in front of the others, in the order given, behind the trigger."""
    from datakit.actions.tagverbs import move_first

    _run(move_first(tags), **options)


@command.command("sort")
@click.option(
    "--by", type=click.Choice(["alphabet", "count", "category"]), default="alphabet", show_default=True, help="How."
)
@_edit
def sort_command(by: Any, **options: Any) -> None:
    """Sort tags; those that are equal in it keep their order.

    By count, the stage's commonest come first; by category, as captioned.categories orders them.
    """
    from datakit.actions.tagverbs import sort

    _run(sort(by), **options)


@command.command("dedupe")
@_edit
def dedupe_command(**options: Any) -> None:
    """Leave the first of tags that come twice, however they are spelled."""
    from datakit.actions.tagverbs import dedupe

    _run(dedupe(), **options)


@command.command("apply-aliases")
@_edit
def apply_aliases_command(**options: Any) -> None:
    """Write each tag as the vocabulary calls it."""
    from datakit.actions.tagverbs import apply_aliases

    _run(apply_aliases(), **options)


@command.command("prune-implied")
@_edit
def prune_implied_command(**options: Any) -> None:
    """Take away tags that another tag of the caption implies, as the vocabulary says."""
    from datakit.actions.tagverbs import prune_implied

    _run(prune_implied(), **options)


def _run(edit: TagEdit, *, where: str, stage: str, dry_run: bool, as_json: bool) -> None:
    from datakit.actions.project import open_project
    from datakit.actions.tagging import Scope, edit_tags

    tell = _ignore if as_json else _preview
    with Bar() as bar:
        scope = Scope(where, stage, bar)
        done = edit_tags(open_project(Path.cwd()), edit, scope, dry_run=dry_run, tell=tell)
    if as_json:
        say_json(done)
        return
    if not done.items:
        say(f"nothing to change in {done.stage}")
    elif dry_run:
        say(f"dry run: {done.subject}")
    else:
        say(done.subject)
        if done.stage != "wip":
            say("next: dsk advance carries that on to the later stages")


def _ignore(preview: TagsEdited) -> None:
    """Tell nothing."""


def _preview(preview: TagsEdited) -> None:
    rows = [
        (one.tag, _signed("-", one.num_removed), _signed("+", one.num_added), _samples(one.samples))
        for one in preview.changes
    ]
    if rows:
        table(("tag", "removed", "added", "for example in"), rows[:_SHOWN], right=("removed", "added"))
    if len(rows) > _SHOWN:
        say(f"… and {len(rows) - _SHOWN:,} more tags (--json lists them)")
    if preview.num_reordered:
        say(f"other order or layout: {preview.num_reordered:,} captions, such as {_samples(preview.items[:2])}")
    if preview.num_new:
        say(f"new captions: {preview.num_new:,}")
    tell_skipped([f"{one.key} is {one.why}" for one in preview.skipped])


def _signed(sign: str, number: int) -> str:
    return f"{sign}{number:,}" if number else ""


def _samples(keys: tuple[str, ...]) -> str:
    return ", ".join(keys)
