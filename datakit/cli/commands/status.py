"""dsk status."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from datakit.cli.output import say, say_json, table
from datakit.repo.worktree.look import begin_look

if TYPE_CHECKING:
    from datakit.actions.reporting import StageStatus

_SHOWN = 10


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(as_json: bool) -> None:
    """Show each stage: what is in it, whether it is up to date and why not; hand edits; conflicts; orphans.

    "dropped" counts what the stage's function left out, "by hand" the items that people made otherwise than it.
    """
    begun = begin_look(Path.cwd())  # a large work tree is gone through while the rest of dsk loads
    from datakit.actions.project import open_project
    from datakit.actions.reporting import read_status

    status = read_status(open_project(Path.cwd()), begun)
    if as_json:
        say_json(status)
        return
    say(f"{status.root} on {status.branch or 'no branch'}{f' at {status.commit[:10]}' if status.commit else ''}")
    if status.problem:
        say(f"problem: {status.problem}")
    numbers = ("images", "captions", "dropped", "by hand")
    table(("stage", *numbers, "state"), [_row(one) for one in status.stages], right=numbers)
    if status.hand_edits and not status.problem:
        say(f"hand edits: {status.hand_edits_summary}; the next operation commits them")
    for stage in status.stages:
        if stage.num_flagged:
            items = "1 item is" if stage.num_flagged == 1 else f"{stage.num_flagged:,} items are"
            say(f"flags: {items} in {stage.stage} though a rule found something (dsk why ITEM)")
        for path in stage.conflicts[:_SHOWN]:
            say(f"conflict: {stage.stage}/{path}: changed by hand and by its source (dsk keep decides)")
        if len(stage.conflicts) > _SHOWN:
            say(f"conflict: … and {len(stage.conflicts) - _SHOWN:,} more in {stage.stage}")
        if stage.num_orphans:
            captions = "1 caption" if stage.num_orphans == 1 else f"{stage.num_orphans:,} captions"
            say(f"orphans: {captions} without an image in {stage.stage} (dsk lint)")
    if status.missing:
        more = f" and {len(status.missing) - 1:,} more" if len(status.missing) > 1 else ""
        say(f"not in this clone: {status.missing[0]}{more} (dsk pull fetches images)")
    if status.unmanaged:
        more = f" and {len(status.unmanaged) - 1} more" if len(status.unmanaged) > 1 else ""
        say(f"left alone: {status.unmanaged[0]}{more}: not an image, caption or metadata file")


def _row(stage: StageStatus) -> tuple[object, ...]:
    counts = (stage.num_captions, stage.num_dropped, stage.num_by_hand)
    return (
        stage.stage,
        f"{stage.num_images:,}",
        *(f"{number:,}" if number else "" for number in counts),
        _state(stage),
    )


def _state(stage: StageStatus) -> str:
    if stage.stale:
        return "not run yet" if stage.stale.endswith("never run") else f"stale: {stage.stale}"
    return "up to date" if stage.num_images else "empty"
