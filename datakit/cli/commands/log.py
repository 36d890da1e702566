"""dsk log."""

import time
from itertools import islice
from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.cli.output import say_json, table
from datakit.repo.oplog import history


@click.command("log")
@click.option(
    "-n", "number", type=click.IntRange(min=0), default=20, show_default=True, help="How many operations; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(number: int, as_json: bool) -> None:
    """Show the operations of this branch, newest first: one commit each."""
    operations = list(islice(history(open_project(Path.cwd()).dataset), number or None))
    if as_json:
        say_json(operations)
        return
    table(
        ("commit", "when", "what"),
        [
            (one.commit[:10], time.strftime("%Y-%m-%d %H:%M", time.localtime(one.time)), one.subject)
            for one in operations
        ],
    )
