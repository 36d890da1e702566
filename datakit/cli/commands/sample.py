"""dsk sample."""

from pathlib import Path

import click

from datakit.actions.baking import sample
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json


@click.command("sample")
@click.argument("bake", default="")
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT", help="What to draw; default: as in [bake.sample].")
@click.option("--seed", type=int, default=None, help="Decides the starting noise; default: as in [bake.sample].")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where to write the PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the path as JSON.")
def command(bake: str, prompts: tuple[str, ...], seed: int | None, out: Path | None, as_json: bool) -> None:
    """Draw a labelled grid with and without the LoRA of BAKE (default: the newest), at equal seeds."""
    path = sample(open_project(Path.cwd()), bake, prompts, seed=seed, out=out)
    if as_json:
        say_json({"grid": str(path)})
    else:
        say(f"pictures: {path}")
