"""dsk status."""

from pathlib import Path

import click

from datakit.actions.project import open_project
from datakit.actions.reporting import StageStatus, read_status
from datakit.cli.output import say, say_json, table


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print it as JSON.")
def command(as_json: bool) -> None:
    """Show each stage: images, captions, whether it is up to date and why not; hand edits; conflicts."""
    status = read_status(open_project(Path.cwd()))
    if as_json:
        say_json(status)
        return
    say(f"{status.root} at {status.commit[:10]}")
    table(
        ("stage", "images", "captions", "dropped", "state"),
        [
            (one.stage, one.num_images, one.num_captions or "", one.num_dropped or "", _state(one))
            for one in status.stages
        ],
        right=("images", "captions", "dropped"),
    )
    if status.hand_edits:
        say(f"hand edits: {status.hand_edits_summary}; the next operation commits them")
    for stage in status.stages:
        for path in stage.conflicts:
            say(f"conflict: {stage.stage}/{path}: changed by hand and by its source")
    if status.unmanaged:
        more = f" and {len(status.unmanaged) - 1} more" if len(status.unmanaged) > 1 else ""
        say(f"left alone: {status.unmanaged[0]}{more}: not an image, caption or metadata file")


def _state(stage: StageStatus) -> str:
    if stage.stale:
        return "not run yet" if stage.stale.endswith("never run") else f"stale: {stage.stale}"
    return "up to date" if stage.num_images else "empty"
