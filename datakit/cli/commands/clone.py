"""dsk clone."""

import shlex
from pathlib import Path, PurePosixPath

import click

from datakit.actions.cloning import clone
from datakit.cli.exchanges import print_exchange
from datakit.cli.output import Bar, say, say_json


@click.command("clone")
@click.argument("source")
@click.argument("folder", type=click.Path(path_type=Path), required=False)
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(source: str, folder: Path | None, as_json: bool) -> None:
    """Copy the dataset at SOURCE (a folder or a URL) into FOLDER, with its history and images.

    History comes by git; images by git-lfs where it is installed, or as plain files where SOURCE is a folder. A clone
    without images is good for work on captions.
    """
    target = folder or Path(_name(source))
    with Bar() as bar:
        done = clone(source, target, progress=bar)
    if as_json:
        say_json(done)
        return
    print_exchange(done, f"cloned into {done.root}, on {done.branch} at {done.commit[:10]}")
    say(f"next: cd {shlex.quote(str(target))}, then dsk status")


def _name(source: str) -> str:
    """The last part of an address, without what says that it is a repository."""
    name = PurePosixPath(source.rstrip("/").replace(":", "/")).name
    return name.removesuffix(".git") or "dataset"
