"""dsk edit."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "edit",
    "edited",
    """Run the stage edited: turn images upright, put transparency on a colour, convert to sRGB.

    An image that needs none of it keeps its very bytes.
    """,
)
