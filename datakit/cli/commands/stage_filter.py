"""dsk filter."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "filter",
    "filtered",
    """Run the stage filtered: drop unreadable images, exact duplicates and what is too small.

    Nothing is deleted: raw keeps every image, and filtered/stage.json says why each one was dropped.
    """,
)
