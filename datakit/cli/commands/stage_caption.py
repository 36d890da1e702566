"""dsk caption."""

from __future__ import annotations

from pathlib import Path

import click

from datakit.cli.output import Bar, note, say, say_json
from datakit.cli.transitions import print_transition


@click.command("caption")
@click.option("--provider", metavar="NAME", default="", help="What taggers run on: cuda, directml, coreml or cpu.")
@click.option("--allow-command", is_flag=True, help="Let captioned.command of this dataset run on this computer.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(provider: str, allow_command: bool, as_json: bool) -> None:
    """Run the stage captioned: write each image's tags, from its record, the caption that came along, and taggers.

    Taggers are fetched when they are first needed, and run on the best that this computer has; $DSK_PROVIDER tells it
    for every command. Ctrl-C keeps what they saw: the next run goes on with the rest.
    """
    from datakit.actions.captioning import allow_command as allow
    from datakit.actions.captioning import caption
    from datakit.actions.project import open_project

    project = open_project(Path.cwd())
    if allow_command:
        note(f"allowed on this computer: {allow(project)}")
    with Bar() as bar:
        transition = caption(project, provider=provider, progress=bar)
    if as_json:
        say_json([transition] if transition else [])
    elif transition is None:
        say("captioned: nothing changed")
    else:
        print_transition(transition)
