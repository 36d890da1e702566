"""dsk bake."""

from pathlib import Path

import click

from datakit.actions.baking import bake
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json


@click.command("bake")
@click.option("--json", "as_json", is_flag=True, help="Print what was baked as JSON.")
def command(as_json: bool) -> None:
    """Train on the kohya export with the settings under [bake] in dsk.toml.

    Ctrl-C saves a checkpoint; the same command goes on from it. What was baked from which commit is written to
    bakes/ and committed; weights and pictures lie in .dsk/bakes/.
    """
    done = bake(open_project(Path.cwd()))
    if as_json:
        say_json(done)
        return
    say(
        f"baked {done.id} from commit {done.commit[:10]}: {done.images} images, {done.steps} steps, "
        f"loss {done.first_loss:.4f} → {done.final_loss:.4f} in {done.seconds:.0f} s on {done.device}"
    )
    say(f"lora:     {done.lora}")
    if done.grid:
        say(f"pictures: {done.grid}")
