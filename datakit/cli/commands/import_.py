"""dsk import."""

from pathlib import Path

import click

from datakit.actions.importing import ImportReport, import_folder
from datakit.actions.project import open_project
from datakit.cli.output import Bar, note, say, say_json, table

_SHOWN = 10


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--concept", default="", metavar="NAME", help="One concept for all images, not one per folder.")
@click.option("--from", "source", default="", metavar="FORMAT", help="Read as this format instead of looking.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(path: Path, concept: str, source: str, as_json: bool) -> None:
    """Take the images of PATH, a folder that a scraper wrote, into raw, with their captions and metadata.

    PATH is only read. A folder of it becomes a concept. No file is overwritten: where a name is taken by another
    image, the new one gets the first digits of its sha256 behind its name. Importing again adds what is new.
    """
    with Bar() as bar:
        report = import_folder(open_project(Path.cwd()), path, concept=concept, source=source, progress=bar)
    if as_json:
        say_json(report)
    else:
        _print(report)
    if report.failed:
        raise click.exceptions.Exit(1)


def _print(report: ImportReport) -> None:
    say(f"read as {report.source}")
    table(("concept", "images"), report.concepts.items(), right=("images",))
    rows = [
        ("imported", report.num_imported),
        ("already there", len(report.already)),
        ("renamed", len(report.renamed)),
        ("captions without image", len(report.orphans)),
        ("left aside", len(report.aside)),
        ("unreadable files", len(report.failed)),
    ]
    say(", ".join(f"{what} {number}" for what, number in rows if number))
    for image, key in report.renamed.items():
        say(f"  {image} → raw/{key}: its name was taken by another image")
    for caption in report.orphans:
        say(f"  {caption}: no image of that name; dsk lint looks for the one it belongs to")
    _list("left aside", [f"{aside.path}: {aside.reason}" for aside in report.aside])
    for line in report.notes:
        note(f"note: {line}")
    for failed in report.failed:
        note(f"error: {failed.reason}")
    if report.commit:
        say("next: dsk lint, dsk advance")


def _list(what: str, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        say(f"  {what}: {line}")
    if len(lines) > _SHOWN:
        say(f"  … and {len(lines) - _SHOWN} more {what} (--json lists them)")
