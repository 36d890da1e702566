"""dsk import."""

from collections.abc import Iterable
from pathlib import Path

import click

from datakit.actions.importing import ImportReport, Wishes, import_folder
from datakit.actions.project import open_project
from datakit.cli.changes import print_changes, print_list
from datakit.cli.output import Bar, note, say, say_json, table
from datakit.sources.model import SOURCES

_ALL = 1_000_000


def _frame_count(context: click.Context, parameter: click.Parameter, value: str) -> int:
    """How many frames; `all` for every one, '' for none."""
    if value in {"", "all"}:
        return _ALL if value else 0
    if not value.isdecimal() or not 0 < int(value) <= _ALL:
        raise click.BadParameter(f"'{value}' is no number of frames: write 8, or all", context, parameter)
    return int(value)


@click.command("import")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--concept", default="", metavar="NAME", help="One concept for all images, not one per folder.")
@click.option("--from", "source", default="", metavar="FORMAT", help="Read as this format instead of looking.")
@click.option(
    "--frames",
    callback=_frame_count,
    default="",
    metavar="N|all",
    help="Take up to N images, or all, out of each gif, ugoira and video; they are left aside otherwise.",
)
@click.option("--dry-run", is_flag=True, help="Only show what would be done.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(path: Path, concept: str, source: str, frames: int, dry_run: bool, as_json: bool) -> None:
    """Take the images of PATH into raw, with their captions and metadata.

    PATH is a folder that a scraper wrote, a zip or tar archive of one, or a file of metadata; it is only read. Its
    format is recognised; a folder in it becomes a concept. No file is overwritten: where a name is taken by another
    image, the new one gets the first digits of its sha256 behind its name. Importing again adds what is new, and
    takes newer metadata into the records, as dsk refresh does.
    """
    wishes = Wishes(concept=concept, source=source_name(source), most_frames=frames, is_dry=dry_run)
    with Bar() as bar:
        report = import_folder(open_project(Path.cwd()), path, wishes, progress=bar)
    if as_json:
        say_json(report)
    else:
        _print(report)
    if report.failed:
        raise click.exceptions.Exit(1)


def source_name(word: str) -> str:
    """The source that a person calls by this word: reports write `gallery-dl`."""
    return word.strip().lower().replace("-", "_")


def _print(report: ImportReport) -> None:
    say(recognised(report.recognised, report.sites))
    if report.concepts:
        table(("concept", "images"), report.concepts.items(), right=("images",))
        say("")
    _print_lists(report)
    print_changes(report.refreshed)
    rows = [row for row in _outcomes(report) if row[1]]
    if rows:
        table(("outcome", "files", ""), rows, right=("files",))
    if report.is_dry:
        say("nothing was done (--dry-run)")
    elif report.commit:
        say("next: dsk lint, dsk advance")
    else:
        say("nothing new")


def recognised(sources: dict[str, int], sites: dict[str, int]) -> str:
    """`read as gallery-dl (120: danbooru 100, e621 20) and plain folder (3)`."""
    names = [f"{SOURCES.load(name).title} ({number:,})" for name, number in sources.items()]
    told = ", ".join(f"{site} {number:,}" for site, number in sites.items())
    return f"read as {' and '.join(names) or 'captions'}" + (f"; sites: {told}" if told else "")


def _outcomes(report: ImportReport) -> Iterable[tuple[str, int, str]]:
    """Every outcome with its number, and what it means."""
    yield "imported", report.num_imported, ""
    yield "already there", len(report.already), "same name, same content"
    yield "same post again", len(report.same_post), "in the dataset, or in two folders; not imported twice"
    yield "renamed", len(report.renamed), "another image had the name"
    yield "renamed", len(report.portable), "not a name for every disk"
    yield "same content, other name", len(report.twins), "both are there; filter drops one"
    yield "same image, other site", len(report.crossposts), "both are there; filter drops exact copies"
    yield "same post, other content", len(report.versions), "both are there"
    yield "without metadata", len(report.bare), "others of their folder have some"
    yield "md5 is not the site's", len(report.md5_differs), "normal for re-encoded files and samples"
    yield "records refreshed", len({one.key for one in report.refreshed}), ""
    yield "records of known images", len(report.recorded), "which had none"
    yield "metadata of known items", len(report.matched), "without their images"
    yield "metadata without image", len(report.loose), "here or in the dataset"
    yield "captions without image", len(report.orphans), "dsk lint looks for the image that each belongs to"
    yield "captions of known images", len(report.adopted), ""
    yield "left aside", len(report.aside), ""
    yield "notes", len(report.notes), "metadata and captions that are not what they should be"
    yield "unreadable files", len(report.failed), ""


def _print_lists(report: ImportReport) -> None:
    print_list(say, "same post", (f"{image} is raw/{key}" for image, key in report.same_post.items()))
    print_list(say, "renamed", (f"{image} → raw/{key} (its name was taken)" for image, key in report.renamed.items()))
    print_list(
        say, "renamed", (f"{image} → raw/{key} (not a name for every disk)" for image, key in report.portable.items())
    )
    print_list(say, "same content", (f"{image} and raw/{key}" for image, key in report.twins.items()))
    print_list(
        say, "same image", (f"{image} and raw/{key}, from another site" for image, key in report.crossposts.items())
    )
    print_list(say, "same post", (f"{image} and raw/{key}, other content" for image, key in report.versions.items()))
    print_list(say, "no metadata", report.bare)
    print_list(say, "md5 differs", report.md5_differs)
    print_list(say, "no image", (f"{caption}; dsk lint looks for the one it belongs to" for caption in report.orphans))
    print_list(say, "caption", (f"{caption} → {path}" for caption, path in report.adopted.items()))
    print_list(say, "no image", (f"{one.path}: {one.reason}" for one in report.loose))
    print_list(say, "left aside", (f"{aside.path}: {aside.reason}" for aside in report.aside))
    print_list(note, "note", report.notes)
    print_list(note, "error", (failed.reason for failed in report.failed))
