"""dsk import."""

from collections.abc import Callable
from pathlib import Path

import click

from datakit.actions.importing import ImportReport, import_folder
from datakit.actions.project import open_project
from datakit.cli.output import Bar, note, say, say_json, table
from datakit.sources.model import SOURCES

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
    say(f"read as {SOURCES.load(report.source).title}")
    if report.concepts:
        table(("concept", "images"), report.concepts.items(), right=("images",))
    rows = [
        ("imported", report.num_imported),
        ("already there", len(report.already)),
        ("renamed", len(report.renamed) + len(report.portable)),
        ("captions without image", len(report.orphans)),
        ("captions of known images", len(report.adopted)),
        ("left aside", len(report.aside)),
        ("unreadable files", len(report.failed)),
    ]
    counts = ", ".join(f"{what} {number}" for what, number in rows if number)
    say(counts if report.commit else f"nothing new: {counts}")
    _list(say, "renamed", [f"{image} → raw/{key} (its name was taken)" for image, key in report.renamed.items()])
    _list(
        say, "renamed", [f"{image} → raw/{key} (not a name for every disk)" for image, key in report.portable.items()]
    )
    _list(say, "no image", [f"{caption}; dsk lint looks for the one it belongs to" for caption in report.orphans])
    _list(say, "caption", [f"{caption} → {path}" for caption, path in report.adopted.items()])
    _list(say, "left aside", [f"{aside.path}: {aside.reason}" for aside in report.aside])
    _list(note, "note", report.notes)
    _list(note, "error", [failed.reason for failed in report.failed])
    if report.commit:
        say("next: dsk lint, dsk advance")


def _list(tell: Callable[[str], None], what: str, lines: list[str]) -> None:
    for line in lines[:_SHOWN]:
        tell(f"  {what}: {line}")
    if len(lines) > _SHOWN:
        tell(f"  {what}: … and {len(lines) - _SHOWN:,} more (--json lists them)")
