"""dsk wip."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "wip",
    "wip",
    """Run the stage wip: bring your bench up to date; what you changed there by hand stays.
    """,
)
