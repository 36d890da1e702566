"""dsk pull."""

from pathlib import Path

import click

from datakit.actions.cloning import pull
from datakit.actions.project import open_project
from datakit.cli.exchanges import print_exchange
from datakit.cli.output import Bar, say_json
from datakit.repo.branches.merging import PREFER


@click.command("pull")
@click.argument("remote", default="")
@click.option("--prefer", type=click.Choice(PREFER), help="Which side's settings stand where both changed them.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(remote: str, prefer: str | None, as_json: bool) -> None:
    """Take over what is new in another copy: the one this branch follows, or REMOTE (a name, a folder, a URL).

    Where both copies have operations of their own, they are merged as by dsk merge. Images that were missing here are
    put in their places.
    """
    with Bar() as bar:
        done = pull(open_project(Path.cwd()), remote, prefer=prefer or "", progress=bar)
    if as_json:
        say_json(done)
    else:
        what = f"{done.branch} is at {done.commit[:10]}"
        print_exchange(done, what if done.is_new else f"nothing new in {done.remote}: {what}")
