"""dsk caption."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "caption",
    "captioned",
    """Run the stage captioned: write each image's tags, from its record and the caption that came along.
    """,
)
