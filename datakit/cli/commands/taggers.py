"""dsk taggers."""

from pathlib import Path

import click

from datakit.actions.taggers import ListedTagger, fetch_tagger, list_taggers, missing_size, show_tagger
from datakit.cli.output import Bar, amount, note, say, say_block, say_json, table
from datakit.errors import RepositoryError
from datakit.repo.dataset import open_dataset


@click.group("taggers", invoke_without_command=True)
@click.option("--json", "as_json", is_flag=True, help="Print the list as JSON.")
@click.pass_context
def command(ctx: click.Context, as_json: bool) -> None:
    """List the taggers: models that see tags in images.

    [captioned] taggers in dsk.toml says which are used, by name or by the path of a folder or ONNX file. A file of
    vocab/taggers stands for the built-in spec of its name.
    """
    if ctx.invoked_subcommand is not None:
        return
    rows = list_taggers(_root())
    if as_json:
        say_json(rows)
        return
    table(
        ("tagger", "here", "size", "tags", "thresholds", "licence", "from", "what"),
        [_row(row) for row in rows],
        right=("size", "tags"),
    )


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON, with every default.")
def show(name: str, as_json: bool) -> None:
    """Print the spec of tagger NAME, which may be a path, and where its files are."""
    found = show_tagger(_root(), name)
    if as_json:
        say_json(found)
        return
    if found.text:
        say_block(found.text.rstrip("\n"))
        say("")
    say(f"spec:   {found.place}")
    say(f"model:  {found.model or 'not here'}")
    say(f"labels: {found.labels or 'not here'}")
    if found.how_to_get:
        say(f"next:   {found.how_to_get}")


@command.command("fetch")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print what came as JSON.")
def fetch(name: str, as_json: bool) -> None:
    """Download the files of tagger NAME from the Hugging Face hub, once for all datasets."""
    root = _root()
    size = missing_size(root, name)
    if size is not None:
        note(f"fetching {name}" + (f": {amount(size)}" if size else ""))
    with Bar() as bar:
        done = fetch_tagger(root, name, progress=bar)
    if as_json:
        say_json(done)
        return
    say(f"{done.name}: {'here already' if done.was_here else 'fetched'}, {amount(done.num_bytes)}")
    say(f'next: taggers = ["{done.name}"] in [captioned] of dsk.toml, then dsk caption')


def _root() -> Path:
    """The dataset's folder; outside of one this folder, since the files serve all datasets."""
    try:
        return open_dataset(Path.cwd()).root
    except RepositoryError:
        return Path.cwd()


def _row(row: ListedTagger) -> tuple[str, ...]:
    thresholds = ", ".join(f"{name} {number:g}" for name, number in row.thresholds.items())
    return (
        row.name,
        "yes" if row.is_here else "",
        amount(row.size_bytes) if row.size_bytes else "",
        f"{row.num_tags:,}" if row.num_tags else "",
        thresholds,
        row.licence,
        row.repository or row.place,
        row.problem or row.summary,
    )
