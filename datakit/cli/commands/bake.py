"""dsk bake."""

from pathlib import Path

import click

from datakit.actions.baking import LEDGER, bake
from datakit.actions.linting.preflight import in_words
from datakit.actions.project import open_project
from datakit.cli.output import note, say, say_json


@click.command("bake")
@click.option("--force", is_flag=True, help="Go past the errors that lint finds for the trainer; they are recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print what was baked as JSON.")
def command(force: bool, as_json: bool) -> None:
    """Train on the kohya export with the settings under [bake] in dsk.toml.

    Where lint finds errors in wip for the trainer, nothing is baked: `dsk lint --for dsk wip` shows them.
    Ctrl-C saves a checkpoint; the same command goes on from it. What was baked from which commit is written to
    bakes/ and committed; weights and pictures lie in .dsk/bakes/.
    """
    done = bake(open_project(Path.cwd()), force=force)
    if as_json:
        say_json(done)
        return
    say(
        f"baked {done.id} from commit {done.commit[:10]}: {done.images} images, {done.steps} steps, "
        f"loss {done.first_loss:.4f} → {done.final_loss:.4f} in {done.seconds:.0f} s on {done.device}"
    )
    say(f"made:     {done.lora}")
    if done.grid:
        say(f"pictures: {done.grid}")
    for line in in_words(done.ignored, listed_in=LEDGER.format(done.id)):
        note(f"note: {line}")
