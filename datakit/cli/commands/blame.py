"""dsk blame."""

from collections.abc import Sequence
from pathlib import Path

import click

from datakit.actions.blaming import blame
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, table, when
from datakit.model.provenance import Blame, Cause, Doer, TagCause

_WORDS = {
    "person": "by hand",
    "pending": "by hand",
    "not-taken": "not taken",
    "stage": "",
    "site": "",
    "import": "imported",
    "derived": "taken from",
    "edited": "edited",
}


@click.command("blame")
@click.argument("item")
@click.option("--stage", default="", metavar="STAGE", help="Of this stage, not of the last that has a caption of it.")
@click.option("--removed", is_flag=True, help="Also the tags that are missing now, and what took them away.")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(item: str, stage: str, removed: bool, as_json: bool) -> None:
    """Show where each tag of ITEM's caption came from: site, caption file, rule, or a person's operation.

    ITEM is `concept/stem`, a file such as wip/concept/stem.txt, or a stem that only one item has.
    """
    found = blame(open_project(Path.cwd()), item, stage=stage, removed=removed)
    if as_json:
        say_json(found)
        return
    say(f"{found.key} in {found.stage}")
    for number, cause in enumerate(found.image):
        say(f"{'       ' if number else 'image: '}{_sentence(cause)}")
    _print_tags(found)
    _print_removed(found, is_asked=removed)
    _print_operations(found)


def _print_removed(found: Blame, *, is_asked: bool) -> None:
    if is_asked:
        say("")
        if found.removed:
            table(("missing", "since", "why", "operation"), map(_row, found.removed))
        else:
            say("no tag is missing")


def _print_tags(found: Blame) -> None:
    if not found.has_caption:
        say(f"no caption in {found.stage}")
    elif not found.tags:
        say("the caption is empty")
    else:
        say("")
        table(("tag", "since", "from", "operation"), map(_row, found.tags))


def _row(row: TagCause) -> Sequence[str]:
    return row.text or row.tag, row.cause.stage, _source(row.cause), _operation(row.cause)


def _source(cause: Cause) -> str:
    parts = [_WORDS.get(cause.kind, cause.kind), cause.detail]
    text = ": ".join(filter(None, parts)) or cause.stage
    score = f" ({cause.score:.2f})" if cause.score is not None else ""
    was = f", as {cause.was}" if cause.was else ""
    return f"{text}{score}{was}".replace("by hand: not", "by hand, not")


def _operation(cause: Cause) -> str:
    return cause.operation.commit[:10] if cause.operation else ""


def _print_operations(found: Blame) -> None:
    """Each operation once, newest first: the tables have their commits."""
    causes = [*found.image, *(row.cause for row in (*found.tags, *found.removed))]
    doers = {cause.operation.commit: cause.operation for cause in causes if cause.operation}
    if doers:
        say("")
        rows = sorted(doers.values(), key=lambda doer: -doer.time)
        table(
            ("operation", "when", "who", "what"),
            [(_short(one), when(one.time), one.author, one.subject) for one in rows],
        )


def _short(doer: Doer) -> str:
    return doer.commit[:10]


def _sentence(cause: Cause) -> str:
    where = f"{cause.stage}: " if cause.kind not in ("import", "derived", "edited") else ""
    return f"{where}{_source(cause)}" + (f" ({_operation(cause)})" if cause.operation else "")
