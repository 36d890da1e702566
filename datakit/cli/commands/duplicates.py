"""dsk duplicates."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datakit.cli.output import Bar, say, say_json, table, tell_skipped

if TYPE_CHECKING:
    from datakit.actions.duplicates import Duplicates, Lookalikes, Member

_COLUMNS = ("", "item", "pixels", "format", "score", "tags", "bits", "")
_VARIANTS = {"posts": "variant: a post of the same family", "tags": "variant: other tags"}


@click.command("duplicates")
@click.option("--stage", default="", metavar="STAGE", help="Of this stage instead of filtered.")
@click.option(
    "--distance",
    type=click.IntRange(0, 16),
    default=None,
    help="Bits that may differ; without it what dsk.toml says, or 8.",
)
@click.option("--where", default="", metavar="QUERY", help="Only among the items that QUERY finds.")
@click.option("--drop", "drops", is_flag=True, help="Drop all but the keepers from the stage.")
@click.option("--merge-tags", is_flag=True, help="Give the keepers the tags of their duplicates.")
@click.option("--json", "as_json", is_flag=True, help="Print the groups as JSON.")
def command(stage: str, distance: int | None, where: str, drops: bool, merge_tags: bool, as_json: bool) -> None:
    """Show images that look alike, group by group, and the one of each group that is worth most.

    Duplicates are the same picture: resized, recompressed, brightened, watermarked, mirrored. Variants, which are
    posts of one family or have other tags, are listed with the image that they resemble, and are never touched.
    """
    from datakit.actions.duplicates import Wanted, find_duplicates, settle_duplicates
    from datakit.actions.project import open_project

    with Bar() as bar:
        project = open_project(Path.cwd())
        wanted = Wanted(where, stage, distance, bar)
        if drops or merge_tags:
            found = settle_duplicates(project, wanted, drops=drops, merges_tags=merge_tags)
        else:
            found = find_duplicates(project, wanted)
    if as_json:
        say_json(found)
    else:
        _print(found, is_done=drops or merge_tags)


def _print(found: Duplicates, *, is_done: bool) -> None:
    rows = [row for one in found.groups for row in _rows(one)]
    if rows:
        table(_COLUMNS, rows, right=("pixels", "score", "tags", "bits"))
        say("")
    tell_skipped([f"{key} cannot be read" for key in found.unreadable])
    if found.num_flat:
        say(f"not compared: {found.num_flat:,} nearly flat")
    num_groups = sum(bool(one.duplicates) for one in found.groups)
    num_variants = sum(len(one.variants) for one in found.groups)
    groups = "1 group" if num_groups == 1 else f"{num_groups:,} groups"
    variants = f"; {num_variants:,} {'variant' if num_variants == 1 else 'variants'}" if num_variants else ""
    say(
        f"{found.stage}: {found.num_duplicates:,} of {found.num_items:,} items look like another, in {groups}{variants}"
    )
    if found.commit:
        say(found.subject)
        say("next: dsk advance, and the later stages follow")
    elif is_done:
        say("nothing to do")
    elif found.num_duplicates:
        say("--drop drops them; --merge-tags gives the keepers their tags")


def _rows(one: Lookalikes) -> list[tuple[str, ...]]:
    kept = f"keep: {one.why}" if one.why else ""
    rows = [_row("keep" if one.duplicates else "", one.keeper, kept, is_keeper=True)]
    rows += [_row("", member, "mirrored" if member.mirrored else "", is_keeper=False) for member in one.duplicates]
    rows += [_row("", member, _VARIANTS[member.variant], is_keeper=False) for member in one.variants]
    return [*rows, ("",) * len(_COLUMNS)]


def _row(mark: str, member: Member, note: str, *, is_keeper: bool) -> tuple[str, ...]:
    width, height = member.size_px
    score = "" if member.score is None else f"{member.score:,}"
    bits = "" if is_keeper else str(member.distance)
    return mark, member.key, f"{width} x {height}", member.format, score, f"{member.num_tags:,}", bits, note
