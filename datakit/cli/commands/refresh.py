"""dsk refresh."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.refreshing import RefreshReport, refresh_items
from datakit.cli.changes import print_changes, print_list
from datakit.cli.commands.import_ import recognised, source_name
from datakit.cli.output import Bar, note, say, say_json


@click.command("refresh")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--from", "source", default="", metavar="FORMAT", help="Read as this format instead of looking.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
@click.option("--json", "as_json", is_flag=True, help="Print the changes as JSON.")
def command(path: Path, source: str, dry_run: bool, as_json: bool) -> None:
    """Take newer metadata out of PATH into the records of items that are there: tags, rating, score, parents.

    PATH is a folder, an archive or one file; images need not be in it, and none is imported. Metadata finds its item
    by site and post id, by md5, or by content. What a person wrote in a record stays. The changes are shown per item,
    and made as one operation; dsk advance carries tags on through the stages, under everybody's edits.
    """
    with Bar() as bar:
        report = refresh_items(open_project(Path.cwd()), path, source=source_name(source), is_dry=dry_run, progress=bar)
    if as_json:
        say_json(report)
        return
    _print(report)


def _print(report: RefreshReport) -> None:
    say(recognised(report.recognised, {}))
    print_changes(report.changes)
    rows = [
        ("changed", len({one.key for one in report.changes})),
        ("nothing new", report.num_same),
        ("older than what the dataset has", report.num_older),
        ("of no item here", len(report.unknown)),
        ("left aside", len(report.aside)),
    ]
    say(", ".join(f"{what}: {number:,}" for what, number in rows if number) or "no metadata in it")
    print_list(say, "of no item", (one.path for one in report.unknown))
    print_list(say, "left aside", (f"{one.path}: {one.reason}" for one in report.aside))
    print_list(note, "note", report.notes)
    if report.is_dry:
        say("nothing was done (--dry-run)")
    elif report.commit:
        say("next: dsk advance")
