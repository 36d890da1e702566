"""dsk redo."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.cli.output import say, say_json
from datakit.repo.operations.undo import redo, redoable


@click.command("redo")
@click.option("--json", "as_json", is_flag=True, help="Print the operation that was brought back as JSON.")
def command(as_json: bool) -> None:
    """Bring back what the last undo took back; again, what the undo before it took back, and so on.

    The redo is a commit too, and dsk undo takes it back. Any other operation ends it, hand edits and commits by plain
    git too: then there is nothing to redo, and dsk op log and dsk restore find what was taken back.
    """
    dataset = open_project(Path.cwd()).dataset
    done = redo(dataset)
    if as_json:
        say_json(done)
        return
    say(f"brought back: {done.subject} ({done.commit[:10]})")
    left = redoable(dataset)
    say(f"dsk redo goes on with: {left[-1].subject} ({left[-1].commit[:10]})" if left else "nothing is left to redo")
