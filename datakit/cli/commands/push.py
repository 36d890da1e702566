"""dsk push."""

from pathlib import Path

import click

from datakit.actions.cloning import push
from datakit.actions.project import open_project
from datakit.cli.exchanges import print_exchange
from datakit.cli.output import Bar, say_json


@click.command("push")
@click.argument("remote", default="")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(remote: str, as_json: bool) -> None:
    """Send the branch you are on to another copy: the one it follows, or REMOTE (a name, a folder, a URL).

    Images go first, by git-lfs where it is installed, or as plain files where REMOTE is a folder; only those that the
    other copy lacks.
    """
    with Bar() as bar:
        done = push(open_project(Path.cwd()), remote, progress=bar)
    if as_json:
        say_json(done)
    else:
        print_exchange(done, f"pushed {done.branch} to {done.remote}, at {done.commit[:10]}")
