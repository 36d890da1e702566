"""dsk clean."""

from datakit.cli.transitions import stage_command

command = stage_command(
    "clean",
    "cleaned",
    """Run the stage cleaned: make captions the prompts that are trained with, as [cleaned] of dsk.toml says.

    Aliases and replacements, blacklists, pruned traits, implications, tags that exclude each other, a limit; then the
    trigger, the profile's words and order, or your template. dsk blame ITEM --removed says what became of each tag.
    """,
)
