"""dsk bakes measure."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from datakit.actions.bakes.measured import Measured, Share, Sides
from datakit.actions.project import Counted, open_project
from datakit.cli.output import Bar, note, say, say_json, table

SEED = click.IntRange(min=0, max=2**52)
_COLUMNS = ("pictures that show", "without", "95 %", "with", "95 %")


@click.command("measure")
@click.argument("bake", default="")
@click.option("--trigger", default="", metavar="WORD", help="Default: the dataset's, where it has one.")
@click.option("--trait", "traits", multiple=True, metavar="TAG", help="What it stands for; default: what is pruned.")
@click.option("--other", "others", multiple=True, metavar="TAG", help="To ask for without it; default: the tagger's.")
@click.option("--prompt", "prompts", multiple=True, metavar="TEXT", help="With the trigger; default: the plainest.")
@click.option("--count", type=click.IntRange(1, 999), default=24, show_default=True, help="Pictures of each kind.")
@click.option("--style-of", default="", metavar="FOLDER|STAGE", help="Measure the style as well, against these.")
@click.option("--seed", type=SEED, default=0, show_default=True, help="Of the first pictures; the next ones count up.")
@click.option("--tagger", default="", metavar="NAME", help="Who looks; default: the taggers of [captioned].")
@click.option("--json", "as_json", is_flag=True, help="Print the figures as JSON.")
def measure_command(bake: str, as_json: bool, **asked: Any) -> None:
    """Measure what BAKE (default: the newest) has learnt: draw without and with it, and let the tagger look.

    With the trigger and none of its traits in the prompt: how many pictures show the traits? Without the trigger: do
    tags that are asked for still appear? The figures go into the ledger; pictures lie beside the weights. Ctrl-C stops,
    the same command goes on.
    """
    from datakit.actions.bakes.measuring import Wishes, measure

    with Bar() as bar:
        done = measure(open_project(Path.cwd()), bake, Wishes(**asked), progress=bar)
    for text in done.notes:
        note(text)
    if as_json:
        say_json(done)
        return
    print_measured(done.bake, done.measured)


def print_measured(bake: str, measured: Measured) -> None:
    """The figures as a table, and where the pictures are."""
    said = f", trigger {measured.trigger}" if measured.trigger else ""
    by = f", looked at by {measured.tagger}" if measured.tagger else ""
    say(f"{bake}: {Counted(measured.count, 'picture')} without and with{said}{by}")
    rows = list(_rows(measured))
    if rows:
        table(_COLUMNS, rows, right=("without", "with"))
    if measured.style:
        say(
            f"style: {measured.style.before:.4f} → {measured.style.after:.4f} from {measured.style.pictures} pictures "
            f"of {measured.style_of} (mean cosine distance)"
        )
        if own := measured.style.own:
            say(f"of its own pictures {own.hits} of {own.of} are nearer to it: more cannot be hoped for")
    if measured.validation:
        loss = measured.validation
        kind = "held out" if loss.kind == "held_out" else "trained"
        say(f"validation: {loss.before:.4f} → {loss.after:.4f}, {kind}, steps {loss.steps[0]} and {loss.steps[1]}")
    say(f"side by side: {measured.grid}")


def _rows(measured: Measured) -> Iterator[tuple[str, ...]]:
    if measured.all_traits and len(measured.traits) > 1:
        yield _row("all traits", measured.all_traits)
    for tag, sides in measured.each_trait.items():
        yield _row(tag, sides)
    if measured.kept:
        yield _row("another tag that is asked for", measured.kept)
    if measured.leaked:
        yield _row("all traits, the trigger left out", measured.leaked)
    if measured.style and measured.style.nearer:
        yield _row("a style nearer to the dataset", measured.style.nearer)


def _row(name: str, sides: Sides) -> tuple[str, ...]:
    return (name, *_cells(sides.before), *_cells(sides.after))


def _cells(share: Share) -> tuple[str, str]:
    return f"{share.hits} of {share.of}", f"{100 * share.low:.0f} to {100 * share.high:.0f} %"
