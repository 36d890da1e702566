"""dsk classgen."""

from pathlib import Path

import click

from datakit.actions.classgen import Wanted, classgen, told
from datakit.actions.project import open_project
from datakit.cli.output import Bar, note, say, say_block, say_json

SEED = click.IntRange(min=0, max=2**53)


@click.command("classgen")
@click.argument("concept")
@click.option(
    "--prompt", "prompts", multiple=True, required=True, metavar="TEXT", help="The class; several take turns."
)
@click.option("--count", type=click.IntRange(min=1), default=100, show_default=True, help="Pictures in all.")
@click.option("--size", "sizes", multiple=True, metavar="WxH", help="In pixels; default: as in [bake.sample].")
@click.option("--seed", type=SEED, default=None, help="Decides them; default: as in [bake.sample].")
@click.option("--negative", default=None, metavar="TEXT", help="What they shall not be; default: as in [bake.sample].")
@click.option("--batch", type=click.IntRange(min=1), default=1, show_default=True, help="Pictures made at once.")
@click.option("--json", "as_json", is_flag=True, help="Print what was done as JSON.")
def command(
    concept: str, prompts: tuple[str, ...], count: int, sizes: tuple[str, ...], *, as_json: bool, **rest: object
) -> None:
    """Make regularization pictures with the base model of [bake], and take them into raw as CONCEPT.

    They show what the model makes of a class without your subject, such as `1girl, solo`; trained beside the subject,
    they keep what the model knew. In a prompt, {red|blue} is a choice, drawn for each picture. Each has its prompt as
    caption. The concept is marked in dsk.toml with is_reg = true. Ctrl-C stops; the same command goes on.
    """
    wanted = Wanted(concept=concept, prompts=prompts, count=count, sizes=sizes, **rest)  # type: ignore[arg-type]
    with Bar() as bar:
        done = classgen(open_project(Path.cwd()), wanted, progress=bar)
    if as_json:
        say_json(done)
    else:
        say(told(done))
        if done.marked:
            say("dsk.toml says now that they are for regularization")
        say("next: dsk lint, dsk advance")
    if done.lines:
        note("note: dsk.toml could not be added to; write into it:")
        say_block(done.lines)
    if done.report.failed:
        raise click.exceptions.Exit(1)
