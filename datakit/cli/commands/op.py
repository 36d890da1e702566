"""dsk op."""

import time
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import click

from datakit.actions.project import open_project
from datakit.cli.output import say, say_block, say_json, table
from datakit.model.record import compact_json
from datakit.repo.operations.logbook import LoggedOperation, OperationDetails, PlaceCount, read_details, read_log
from datakit.repo.oplog import Operation
from datakit.repo.revisions import resolve_revision

_ARGS_WIDTH = 60


@click.group("op")
def command() -> None:
    """Look at operations: every change of the dataset is one, and one commit."""


@command.command("log")
@click.option(
    "-n", "number", type=click.IntRange(min=0), default=20, show_default=True, help="How many operations; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def log_command(number: int, as_json: bool) -> None:
    """List the operations of this branch, newest first, with what they were asked for and whether they are undone.

    `git` stands for a commit that plain git made.
    """
    operations = list(islice(read_log(open_project(Path.cwd()).dataset), number or None))
    if as_json:
        say_json(operations)
        return
    table(("commit", "when", "who", "operation", "", "what", "arguments"), map(_row, operations))


@command.command("show")
@click.argument("revision", metavar="COMMIT")
@click.option(
    "-n", "number", type=click.IntRange(min=0), default=20, show_default=True, help="How many files; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def show_command(revision: str, number: int, as_json: bool) -> None:
    """Show one operation in full: who, when, what it was asked for, and which files it changed."""
    dataset = open_project(Path.cwd()).dataset
    shown = read_details(dataset, resolve_revision(dataset, revision))
    if as_json:
        say_json(shown)
    else:
        _print(shown, number)


def _row(one: LoggedOperation) -> tuple[str, ...]:
    undone = "undone" if one.undone else ""
    return one.commit[:10], _when(one.time, "%H:%M"), one.author, _name(one), undone, one.subject, _args(one.args)


def _when(seconds: int, clock: str) -> str:
    return time.strftime(f"%Y-%m-%d {clock}", time.localtime(seconds))


def _name(one: Operation) -> str:
    return f"{one.op} {one.stage}" if one.stage and one.stage != one.op else one.op or "git"


def _args(args: Mapping[str, Any]) -> str:
    text = compact_json(args).decode() if args else ""
    return text if len(text) <= _ARGS_WIDTH else f"{text[: _ARGS_WIDTH - 1]}…"


def _print(shown: OperationDetails, number: int) -> None:
    one = shown.operation
    say(one.subject + (" (taken back)" if one.undone else ""))
    rows = {
        "commit": one.commit,
        "parents": ", ".join(parent[:10] for parent in shown.parents) or "none: the beginning",
        "when": _when(one.time, "%H:%M:%S"),
        "who": one.author,
        "operation": one.op or "plain git",
        "stage": one.stage,
        "arguments": compact_json(one.args).decode() if one.args else "",
        "undoes": one.undoes,
        "redoes": one.redoes,
        "version": shown.trailers.get("Version", ""),
    }
    for name, value in rows.items():
        if value:
            say(f"  {name:<10} {value}")
    if shown.text:
        say_block(f"\n{shown.text}")
    if not shown.files:
        say("")
        say("no file changed")
        return
    say("")
    for place in shown.places:
        say(f"{f'{place.place}/' if place.place else 'settings':<11} {_counts(place)}")
    say("")
    for file in islice(shown.files, number or None):
        say(f"{file.mark:<8} {file.path}")
    if number and len(shown.files) > number:
        say(f"… and {len(shown.files) - number:,} more (-n 0 shows all)")


def _counts(place: PlaceCount) -> str:
    rows = (("added", place.num_added), ("changed", place.num_changed), ("removed", place.num_removed))
    return ", ".join(f"{number:,} {word}" for word, number in rows if number)
