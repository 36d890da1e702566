"""dsk clean."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "clean",
    "cleaned",
    """Run the stage cleaned: turn tags into the prompt format, with trigger words and blacklist.
    """,
)
