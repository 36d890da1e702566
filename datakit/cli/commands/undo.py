"""dsk undo."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.cli.output import say, say_json
from datakit.repo.operations.undo import undo


@click.command("undo")
@click.option("--json", "as_json", is_flag=True, help="Print the operation that was taken back as JSON.")
def command(as_json: bool) -> None:
    """Take the last operation back: images, captions and settings stand as before it.

    The undo is a commit too, so nothing is lost: dsk redo brings the operation back, and undo again goes further
    back. Hand edits that were not committed yet become an operation first, and are what is taken back.
    """
    undone = undo(open_project(Path.cwd()).dataset)
    if as_json:
        say_json(undone)
        return
    say(f"taken back: {undone.subject} ({undone.commit[:10]})")
    say("dsk redo brings it back")
