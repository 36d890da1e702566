"""dsk init."""

import shlex
from pathlib import Path

import click

from datakit.actions.starting import start_dataset, stray_image
from datakit.cli.output import note, say


@click.command("init")
@click.argument("folder", type=click.Path(path_type=Path), default=".")
def command(folder: Path) -> None:
    """Begin a dataset in FOLDER (default: here), which must be new, or hold no git repository with commits.

    Writes dsk.toml with every setting explained, and an ordinary git repository around it.
    """
    root = start_dataset(folder)
    say(f"a new dataset in {root}")
    stray = stray_image(root)
    if stray:
        note(f"note: {stray} is in its folder, but no part of it: move images out of here, then dsk import that folder")
    say("next: dsk import PATH" if root == Path.cwd() else f"next: cd {shlex.quote(str(folder))}, then dsk import PATH")
