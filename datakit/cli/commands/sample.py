"""dsk sample."""

from pathlib import Path

import click

from datakit.actions.bakes.sampling import sample
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json

SEED = click.IntRange(min=0, max=2**53)


@click.command("sample")
@click.argument("bake", default="")
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT", help="What to draw; default: as in [bake.sample].")
@click.option("--seed", type=SEED, default=None, help="Decides the starting noise; default: as in [bake.sample].")
@click.option("--out", type=click.Path(path_type=Path), default=None, help="Where to write the PNG.")
@click.option("--json", "as_json", is_flag=True, help="Print the path as JSON.")
def command(bake: str, prompts: tuple[str, ...], seed: int | None, out: Path | None, as_json: bool) -> None:
    """Draw a labelled grid without and with what BAKE (default: the newest) made, at equal seeds."""
    path = sample(open_project(Path.cwd()), bake, prompts, seed=seed, out=out)
    if as_json:
        say_json({"grid": str(path)})
    else:
        say(f"pictures: {path}")
