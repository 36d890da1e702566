"""dsk tags."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from datakit.cli.output import Bar, say, say_block, say_json, table
from datakit.cli.queries import QueryCommand
from datakit.repo.finding.looking import begin_look

if TYPE_CHECKING:
    from datakit.actions.tagcounts import TagReport

Columns = tuple[str, ...]
_COUNTS: Columns = ("tag", "count", "category")
_BESIDE: Columns = ("tag", "count", "alone", "share", "lift", "jaccard", "category")
_TYPOS: Columns = ("tag", "count", "meant", "meant_count", "distance")
_SORTS: dict[str, Callable[[Any], Any]] = {
    "count": lambda row: (-row.count, row.tag),
    "tag": lambda row: row.tag,
    "category": lambda row: (getattr(row, "category", ""), -row.count, row.tag),
    "lift": lambda row: (-getattr(row, "lift", 0), -row.count, row.tag),
    "jaccard": lambda row: (-getattr(row, "jaccard", 0), -row.count, row.tag),
}


@click.command("tags", cls=QueryCommand)
@click.argument("query", nargs=-1)
@click.option("--stage", default="", metavar="STAGE", help="Of this stage, not of the last that has captions.")
@click.option("--with", "beside", default="", metavar="TAG", help="Count the tags beside TAG.")
@click.option("--rare", type=click.IntRange(min=0), default=0, metavar="N", help="Only tags of at most N items.")
@click.option("--typos", is_flag=True, help="Only tags that are probably misspelled, and what they may mean.")
@click.option("--sort", type=click.Choice(list(_SORTS)), default="count", show_default=True, help="In which order.")
@click.option(
    "-n", "number", type=click.IntRange(min=0), default=40, show_default=True, help="How many tags; 0 for all."
)
@click.option("--csv", "as_csv", is_flag=True, help="Print all of them as CSV.")
@click.option("--json", "as_json", is_flag=True, help="Print all of them as JSON.")
def command(query: tuple[str, ...], **options: Any) -> None:
    """Count the tags of the items that QUERY finds, or of all: the commonest first.

    Beside TAG, `share` is the part of its items that have the other tag too, `lift` how many times as often that is as
    among all items, `jaccard` the items with both over those with either.
    """
    begun = begin_look(Path.cwd(), options["stage"])  # a large stage is looked at while the rest of dsk loads
    from datakit.actions.tagcounts import Look

    with Bar() as bar:
        found, columns = _count(" ".join(query), Look(begun, bar), options)
    rows = sorted(found.tags, key=_SORTS[options["sort"]])
    if options["as_json"]:
        say_json({**{name: getattr(found, name) for name in ("stage", "query", "num_items", "num_tags")}, "tags": rows})
    elif options["as_csv"]:
        say_block(_as_csv(columns, rows))
    else:
        _print(found, columns, rows, options["number"])


def _count(query: str, look: Any, options: dict[str, Any]) -> tuple[TagReport, Columns]:
    from datakit.actions.project import open_project
    from datakit.actions.tagcounts import companions, count_tags, misspellings

    if bool(options["beside"]) + bool(options["rare"]) + options["typos"] > 1:
        raise click.UsageError("--with, --rare and --typos exclude each other")
    project, stage = open_project(Path.cwd()), options["stage"]
    if options["beside"]:
        return companions(project, options["beside"], query, stage=stage, look=look), _BESIDE
    if options["typos"]:
        return misspellings(project, query, stage=stage, look=look), _TYPOS
    return count_tags(project, query, stage=stage, rare=options["rare"], look=look), _COUNTS


def _print(found: TagReport, columns: Columns, rows: Sequence[Any], number: int) -> None:
    shown = rows[:number] if number else rows
    if shown:
        right = [name for name in columns if name not in ("tag", "category", "meant")]
        heads = [name.replace("_", " ") for name in columns]
        cells = [[_cell(getattr(row, name)) for name in columns] for row in shown]
        table(heads, cells, right=[name.replace("_", " ") for name in right])
    if len(rows) > len(shown):
        say(f"… and {len(rows) - len(shown):,} more tags (-n 0 shows all)")
    say(f"{len(rows):,} of {found.num_tags:,} tags, in {found.num_items:,} items of {found.stage}")


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}" if value < 100 else f"{value:,.0f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def _as_csv(columns: Columns, rows: Sequence[Any]) -> str:
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([getattr(row, name) for name in columns] for row in rows)
    return file.getvalue().rstrip("\n")
