"""dsk log."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, table, when
from datakit.repo.oplog import history
from datakit.repo.past.itemlog import ItemEvent, StageEvent, item_events
from datakit.repo.past.pastitems import resolve_one_ever

_SHOWN_TAGS = 15


@click.command("log")
@click.argument("item", default="", metavar="[ITEM]")
@click.option(
    "-n", "number", type=click.IntRange(min=0), default=20, show_default=True, help="How many operations; 0 for all."
)
@click.option("--json", "as_json", is_flag=True, help="Print them as JSON.")
def command(item: str, number: int, as_json: bool) -> None:
    """Show the operations of this branch, newest first: one commit each.

    With ITEM those that touched it, with what they did to it in which stage, under its earlier names too. It may be
    an item that is no more.
    """
    dataset = open_project(Path.cwd()).dataset
    if item:
        key = resolve_one_ever(dataset, item).key
        events = list(islice(item_events(dataset, key), number or None))
        if as_json:
            say_json(events)
        else:
            _print(key, events)
        return
    operations = list(islice(history(dataset), number or None))
    if as_json:
        say_json(operations)
        return
    table(("commit", "when", "what"), [(one.commit[:10], when(one.time), one.subject) for one in operations])


def _print(key: str, events: list[ItemEvent]) -> None:
    say(key)
    for event in events:
        one = event.operation
        say(f"{one.commit[:10]}  {when(one.time)}  {one.author}  {one.subject}")
        if event.was:
            say(f"  renamed from {event.was}")
        if event.renamed_to:
            say(f"  renamed to {event.renamed_to}")
            continue
        rows: dict[str, list[str]] = {}
        for change in event.stages:
            for line in _lines(change):
                rows.setdefault(line, []).append(change.stage)
        for line, stages in rows.items():
            say(f"  {', '.join(stages)}: {line}")


def _lines(change: StageEvent) -> Iterator[str]:
    if change.image:
        yield f"image {change.image}"
    if change.caption:
        words = [*(f"+{tag}" for tag in change.caption.tags_added), *(f"-{tag}" for tag in change.caption.tags_removed)]
        more = f" … and {len(words) - _SHOWN_TAGS:,} more" if len(words) > _SHOWN_TAGS else ""
        how = {"respelled": "written otherwise"}.get(change.caption.mark, change.caption.mark)
        yield f"caption {how}" + (f": {', '.join(words[:_SHOWN_TAGS])}{more}" if words else "")
    if change.record:
        yield f"record {change.record}"
