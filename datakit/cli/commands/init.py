"""dsk init."""

import shlex
from pathlib import Path

import click

from datakit.actions.starting import start_dataset
from datakit.cli.output import say


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def command(folder: Path) -> None:
    """Begin a dataset in FOLDER (default: here), which must be new, or hold no git repository with commits.

    Writes dsk.toml with every setting explained, and an ordinary git repository around it.
    """
    root = start_dataset(folder)
    say(f"a new dataset in {root}")
    say("next: dsk import PATH" if root == Path.cwd() else f"next: cd {shlex.quote(str(folder))}, then dsk import PATH")
