"""dsk bake."""

from pathlib import Path
from typing import Any

import click

from datakit.actions.bakes.adopting import Adopted, adopt
from datakit.actions.bakes.asking import Wishes
from datakit.actions.bakes.ledger import LEDGER, Bake
from datakit.actions.bakes.making import bake, dry_run
from datakit.actions.bakes.repeating import Repeated, repeat
from datakit.actions.linting.preflight import in_words
from datakit.actions.project import open_project
from datakit.cli.output import note, say, say_json, table

VRAM = click.Choice(["8", "12", "16", "24", "32"])
_FILE = click.Path(path_type=Path, exists=True, dir_okay=False)
_KINDS = {
    "not taken": "not taken",
    "otherwise": "taken, with a difference",
    "taken": "taken",
    "no effect": "without effect",
}
_DIFFERENT = 1
"""Exit code where the weights of a repeated bake are others."""


@click.command("bake")
@click.option("--set", "sets", multiple=True, metavar="KEY=VALUE", help="A setting over dsk.toml: train.steps=500.")
@click.option("--preset", default="", metavar="NAME", help="Settings to start from: python -m trainer presets.")
@click.option("--vram", type=VRAM, metavar="GIB", help="Plan for a GPU of 8, 12, 16, 24 or 32 GiB.")
@click.option("--processes", type=click.IntRange(min=1), metavar="N", help="Train on N GPUs at the same time.")
@click.option("--dry-run", is_flag=True, help="Only show the resolved settings, buckets, steps and memory.")
@click.option("--note", "text", default="", metavar="TEXT", help="What this one is tried for; the ledger keeps it.")
@click.option("--repeat", "repeated", default="", metavar="ID", help="Make this bake again, of the data that it had.")
@click.option(
    "--from-sd-scripts", "adopted", type=_FILE, metavar="FILE", help="Take sd-scripts' settings over, and stop."
)
@click.option("--dataset", type=_FILE, metavar="FILE", help="With --from-sd-scripts: its dataset TOML.")
@click.option("--force", is_flag=True, help="Go past the errors that lint finds for the trainer; they are recorded.")
@click.option("--json", "as_json", is_flag=True, help="Print what was baked as JSON.")
@click.pass_context
def command(context: click.Context, /, **options: Any) -> None:
    """Train on the kohya export with the settings under [bake] in dsk.toml.

    Where lint finds errors in wip for the trainer, nothing is baked: `dsk lint --for dsk wip` shows them.
    Ctrl-C saves a checkpoint; the same command goes on from it. What was baked from which commit is written to
    bakes/ and committed, and `dsk bakes` lists it; weights and pictures lie in .dsk/bakes/.

    --repeat takes data and settings out of the history, whatever the folders are now, and says whether the same
    weights came of it, bit for bit.
    """
    _refuse_pairs(options)
    project, as_json = open_project(Path.cwd()), options["as_json"]
    if options["adopted"]:
        done = adopt(project, options["adopted"], dataset=options["dataset"], force=options["force"])
        say_json(done) if as_json else _print_adopted(done)
        return
    if options["repeated"]:
        again = repeat(project, options["repeated"], processes=options["processes"] or 0, note=options["text"])
        say_json(again) if as_json else _print_repeated(again)
        context.exit(_DIFFERENT if again.is_same is False else 0)
    wishes = _wishes(options)
    if options["dry_run"]:
        dry_run(project, wishes)
        return
    baked = bake(project, wishes)
    say_json(baked) if as_json else _print(baked)


def _wishes(options: dict[str, Any]) -> Wishes:
    return Wishes(
        sets=options["sets"],
        preset=options["preset"],
        vram_gib=int(options["vram"] or 0),
        processes=options["processes"] or 0,
        note=options["text"],
        force=options["force"],
    )


def _refuse_pairs(options: dict[str, Any]) -> None:
    """Refuse options that say nothing beside others."""
    given = {name for name, value in options.items() if value}
    if options["dataset"] and not options["adopted"]:
        raise click.UsageError("--dataset goes with --from-sd-scripts; dsk bake trains on its own export")
    allowed = {"adopted": {"dataset", "force", "as_json"}, "repeated": {"processes", "text", "as_json"}}
    for name, word in (("adopted", "--from-sd-scripts"), ("repeated", "--repeat")):
        if options[name] and (others := given - {name} - allowed[name]):
            shown = {"text": "note", "adopted": "from-sd-scripts", "repeated": "repeat", "sets": "set"}
            others = {shown.get(other, other).replace("_", "-") for other in others}
            raise click.UsageError(f"{word} takes no --{min(others)}")
    if options["dry_run"] and options["as_json"]:
        raise click.UsageError("--dry-run prints what the trainer says, and no JSON")


def _print(done: Bake) -> None:
    say(
        f"baked {done.id} from commit {done.commit[:10]}: {done.images} images, {done.steps} steps, "
        f"loss {done.first_loss:.4f} → {done.final_loss:.4f} in {done.seconds:.0f} s on {done.device}"
    )
    if done.validation and done.validation.held_out is not None:
        say(f"held out: loss {done.validation.held_out:.4f} of {done.held_out} images that it never saw")
    say(f"made:     {done.lora}")
    if done.grid:
        say(f"pictures: {done.grid}")
    for line in in_words(done.ignored, listed_in=LEDGER.format(done.id)):
        note(f"note: {line}")


def _print_repeated(again: Repeated) -> None:
    _print(again.bake)
    if again.is_same:
        say(f"the same weights as {again.original.id}, bit for bit")
        return
    if again.is_same is None:
        say(f"{again.original.id} has no hash of its weights, so nobody knows whether these are the same")
        say(f"loss {again.original.final_loss:.6f} then, {again.bake.final_loss:.6f} now")
    else:
        say(f"other weights than {again.original.id}, from the same data")
    if again.differences:
        rows = [(one.name, _shown(one.before), _shown(one.after)) for one in again.differences]
        table(("what differs", again.original.id, again.bake.id), rows)
    else:
        say("device, versions and settings are the same; this device may not add in the same order twice")


def _print_adopted(done: Adopted) -> None:
    for kind, title in _KINDS.items():
        rows = [(row.option, _shown(row.value), row.ours, row.remark) for row in done.rows if row.kind == kind]
        if rows:
            table((title, "value", "in dsk.toml", ""), rows)
            say("")
    wrote = f"wrote dsk.toml ({done.commit[:10]})" if done.commit else "dsk.toml says all of it already"
    first = "dsk export --format kohya, then " if done.is_exported_otherwise else ""
    say(f"{wrote}; {first}dsk bake bakes with it")


def _shown(value: object) -> str:
    return "" if value is None else str(value)
