"""The trainer's commands; torch is imported only by those that need it."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import click

from trainer.errors import InterruptedRun, TrainerError, WriteError
from trainer.starting import reporter, require_extra
from trainer.tagger.command import tagger

CONFIG = click.argument("config", type=click.Path(path_type=Path))
SETS = click.option(
    "--set",
    "sets",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting in place of the config's, such as optimizer.learning_rate=1e-4; may be given again.",
)
PRESET = click.option("--preset", default="", metavar="NAME", help="Settings below the config's; see `presets`.")
VRAM = click.option(
    "--vram", type=click.Choice(("8", "12", "16", "24", "32")), help="GiB of the GPU to plan for; sets memory.vram."
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Trains a LoRA, a network or a word on a folder of captioned pictures.

    CONFIG is a TOML of the run; `fields` lists all that it may say.
    """


cli.add_command(tagger)


@cli.command()
@CONFIG
@SETS
@PRESET
@VRAM
@click.option("--processes", default=1, type=click.IntRange(min=1), metavar="N", help="One for each GPU.")
@click.option("--dry-run", is_flag=True, help="Only show the resolved config, pictures, buckets, steps and memory.")
@click.option("--restart", is_flag=True, help="Throw away what the run before left: checkpoints, logs.")
def run(config: Path, *, processes: int, dry_run: bool, restart: bool, **asked: Any) -> None:
    """Trains; goes on where the same command was stopped."""
    from trainer import plan

    sets, launched = _with_vram(asked["sets"], asked["vram"]), _launched()
    # A launcher has the say: whoever it started starts no more.
    count = launched if launched > 1 else processes
    made = plan.make(config, sets=sets, preset=asked["preset"], processes=count)
    if dry_run:
        from trainer.describing import describe

        _show(describe(made))
        return
    from trainer.atomic import make_folder

    make_folder(made.output)
    if count > launched:
        from trainer.launching import launch

        sys.exit(launch(_again(config, sets, preset=asked["preset"], restart=restart), count))
    require_extra()
    from trainer.run import bake

    result = bake(made, reporter(), restart=restart)
    if result is not None:
        click.echo(f"baked {result.steps} steps in {result.seconds:.1f} s, loss {result.final_loss:.4f}")


@cli.command()
@CONFIG
@SETS
@click.option("--lora", required=True, type=click.Path(path_type=Path), help="The LoRA, checkpoint or embedding.")
@click.option("--prompt", "prompts", multiple=True, help="One row each; default: those of the config.")
@click.option("--out", default=Path("grid.png"), show_default=True, type=click.Path(path_type=Path), help="The PNG.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the starting noise; default: that of the config.")
def sample(config: Path, lora: Path, *, prompts: tuple[str, ...], sets: tuple[str, ...], **asked: Any) -> None:
    """Makes a sheet of pictures, without and with what was trained, from the same seeds."""
    from trainer.tools.asking import plan_of_sheet

    out, seed = asked["out"], asked["seed"]
    made = plan_of_sheet(config, prompts, sets=sets)
    require_extra()
    from trainer import products, sheets
    from trainer.atomic import write_file
    from trainer.sampling import grid

    wanted = sheets.request(made)
    wanted = wanted if seed is None else wanted.of_seed(seed)
    image = products.sample(made, lora, wanted=wanted, title=lora.stem)
    write_file(out, grid.png(image, [("Title", lora.stem)]))
    click.echo(f"saved {out}")


@cli.command()
@CONFIG
@SETS
@click.option(
    "--prompt", "prompts", multiple=True, required=True, help="The class; several take turns, {a|b} is drawn."
)
@click.option("--count", default=100, show_default=True, type=click.IntRange(min=1), help="Pictures in all.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder.")
@click.option("--size", "sizes", multiple=True, metavar="WxH", help="In pixels; several take turns; default: [sample].")
@click.option("--seed", type=click.IntRange(min=0, max=2**53), help="Of all choices; default: that of [sample].")
@click.option("--negative", help="What the pictures shall not be; default: that of [sample].")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="Pictures made at once.")
def classgen(config: Path, *, out: Path, sets: tuple[str, ...], **options: Any) -> None:
    """Makes regularization pictures with the base model alone; goes on where the same command was stopped.

    Each has its prompt as caption beside it; dataset.toml in the folder holds the lines that train with them.
    """
    from trainer.tools import asking

    plan = asking.plan_of_base(config, sets=sets)
    request = asking.request(plan, asking.Options(**options))
    require_extra()
    from trainer.signals import stop_wish
    from trainer.tools.classgen import make, painter

    told = reporter()
    with stop_wish() as stop:
        loaded = painter(plan)
        told.begin("drawing", done=0, total=request.count)
        try:
            made = make(loaded, request, folder=out, stop=stop, tell=lambda number: told.advance())
        finally:
            told.end()
    what = "1 picture" if made.new == 1 else f"{made.new} pictures"
    click.echo(f"made {what} in {out}" + (f", {made.kept} were there" if made.kept else ""))


@cli.command()
@CONFIG
@SETS
@click.option("--lora", default="", metavar="FILE", help="The LoRA, checkpoint or embedding; empty for none.")
@click.option("--jobs", required=True, type=click.Path(path_type=Path), help="A JSON list of pictures.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder.")
@click.option("--batch", default=0, type=click.IntRange(min=0), help="Pictures made at once; default: by their size.")
def pictures(config: Path, *, jobs: Path, sets: tuple[str, ...], **asked: Any) -> None:
    """Makes single pictures, many at once; goes on where the same command was stopped.

    A job is {"name", "prompt", "negative", "seed", "scale"}; scale is the LoRA's strength, 0 for without. [sample]
    says the size, steps and guidance. Pictures that are there of the same job are not made again.
    """
    from trainer.tools import asking
    from trainer.tools.jobs import Errand, read_jobs

    wanted, plan = read_jobs(jobs), asking.plan_of_base(config, sets=sets)
    errand = Errand(Path(asked["lora"]) if asked["lora"] else None, asked["out"], asked["batch"])
    require_extra()
    from trainer.signals import stop_wish
    from trainer.tools.drawing import draw

    told = reporter()
    with stop_wish() as stop:
        told.begin("drawing", done=0, total=len(wanted))
        try:
            made = draw(plan, wanted, errand, stop=stop, tell=told.advance)
        finally:
            told.end()
    what = "1 picture" if made.new == 1 else f"{made.new} pictures"
    click.echo(f"made {what} in {errand.out}" + (f", {made.kept} were there" if made.kept else ""))


@cli.command()
@CONFIG
@SETS
@PRESET
@VRAM
def check(config: Path, sets: tuple[str, ...], *, preset: str, vram: str | None) -> None:
    """Checks the config and its dataset, quickly."""
    from trainer import plan

    made = plan.make(config, sets=_with_vram(sets, vram), preset=preset)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    counts = {"image": len(made.trained), "step": made.steps, "epoch": made.epochs}
    told = ", ".join(f"{number} {word}{'' if number == 1 else 's'}" for word, number in counts.items())
    click.echo(f"ok: {told}")


@cli.command()
def fields() -> None:
    """Lists every field of the config with its default."""
    from trainer.config import PRESET_SENTENCE, defaults

    click.echo(f"preset = ''\n    {PRESET_SENTENCE}")
    section = ""
    for name, key, default, sentence in defaults():
        if name != section:
            click.echo(f"\n[{name}]")
            section = name
        click.echo(f"  {key} = {default!r}\n      {sentence}")


@cli.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def presets(name: str | None, *, as_json: bool) -> None:
    """Lists the presets, or shows one with the sources of its numbers.

    In a config, preset = "character" is that of the base's family.
    """
    from trainer.presets import choosing

    found = [choosing.read(one) for one in ([name] if name else choosing.names())]
    if as_json:
        rows = [{"name": one.name, "about": one.about, **one.tables, "v_prediction": one.overlay} for one in found]
        click.echo(json.dumps(rows, indent=2))
    elif name:
        click.echo(found[0].text.rstrip())
    else:
        _show([f"{one.name:<15} {one.about}" for one in found])


@cli.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON.")
def optimizers(*, as_json: bool) -> None:
    """Lists the optimizers of the table; any class of pytorch-optimizer and any import path go too."""
    from trainer.updates.table import rows

    found = rows()
    if as_json:
        keys = ("name", "about", "learning_rate", "install")
        click.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in found], indent=2))
        return
    _show([f"{name:<20} {rate:<7g} {about}{f' ({extra})' if extra else ''}" for name, about, rate, extra in found])


@cli.command()
@CONFIG
@SETS
@click.option("--restart", is_flag=True, help="Throw away what the run before left: checkpoints, logs.")
def vae(config: Path, sets: tuple[str, ...], *, restart: bool) -> None:
    """Trains a VAE on a folder of pictures; goes on where the same command was stopped.

    CONFIG is a TOML of its own; docs/autoencoder.md lists all that it may say.
    """
    from trainer.autoencoder.config import load

    asked = load(config, sets=sets)
    require_extra()
    from trainer.autoencoder.run import train

    result = train(asked, reporter(), restart=restart)
    click.echo(f"trained {result.steps} steps in {result.seconds:.1f} s, {result.psnr_db:.2f} dB")


@cli.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--family", default="tiny", show_default=True, help="Kind of base model.")
@click.option("--sizes", type=click.Path(path_type=Path), help="A TOML with sizes other than the family's own.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**53), help="Decides the weights.")
@click.option("--vae", type=click.Path(path_type=Path), help="A trained VAE's folder; default: a fresh one.")
@click.option(
    "--prediction",
    type=click.Choice(("epsilon", "v_prediction", "rectified_flow")),
    default="epsilon",
    show_default=True,
    help="What the network will be trained to say.",
)
@click.option("--zero-terminal-snr", is_flag=True, help="It will be trained on a schedule that ends in pure noise.")
def blank(folder: Path, *, family: str, **asked: Any) -> None:
    """Writes a base model with fresh weights into the new folder DIR, to train from scratch."""
    from trainer.blank import request, write

    made = request(family, **asked)
    require_extra()
    counts = write(made, folder)
    _show([f"{part:<14} {count / 1e6:.3f} M weights" for part, count in counts.items()])
    click.echo(f"saved {folder}")


@cli.command()
@click.argument("base", metavar="BASE", type=click.Path(path_type=Path))
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--captions", required=True, type=click.Path(path_type=Path), help="Folder of what it learnt from.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**53), help="Decides the vectors.")
def words(base: Path, folder: Path, *, captions: Path, seed: int) -> None:
    """Writes the base BASE, trained from scratch, into the new folder DIR so that triggers are read.

    Tokens that no caption has get vectors like those that captions have; all else stays.
    """
    require_extra()
    from trainer.words import write

    made = write(base, folder, captions=captions, seed=seed)
    click.echo(f"saved {folder}: {made.known} tokens kept, {made.unknown} drawn anew")


@cli.command("from-sd-scripts")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--dataset", type=click.Path(path_type=Path), help="The dataset TOML, if the config names none.")
@click.option("--out", type=click.Path(path_type=Path), help="Write the run's TOML there; default: print it.")
@click.option("--json", "as_json", is_flag=True, help="Config and table as JSON.")
def from_sd_scripts(config: Path, *, dataset: Path | None, out: Path | None, as_json: bool) -> None:
    """Takes a configuration of sd-scripts over, and says what of it maps and what does not.

    CONFIG is a --config_file of its scripts, the JSON of kohya_ss' GUI, a TOML of LoRA Easy Training Scripts, or a
    text with the command line.
    """
    from trainer.migration import converting, showing

    made = converting.convert(config, dataset=dataset, beside=out)
    if out is not None:
        showing.write(made, out)
    if as_json:
        click.echo(json.dumps(showing.as_json(made), indent=2))
        return
    if out is None:
        click.echo(showing.toml(made))
    _show(showing.table(made.rows))


def main() -> NoReturn:
    """The one place where errors become a line on stderr and an exit code."""
    try:
        cli(standalone_mode=False)
    except TrainerError as error:
        _tell(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # Whoever read our output is gone; python would complain once more while it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _tell(WriteError(str(error), hint="check free space and permissions"))
        sys.exit(WriteError.exit_code)
    except (KeyboardInterrupt, click.Abort):
        _tell(InterruptedRun("stopped at once", hint="run the same command again; the last checkpoint is unharmed"))
        sys.exit(InterruptedRun.exit_code)
    sys.exit(0)


def _tell(error: TrainerError) -> None:
    click.echo(f"error: {error.message}", err=True)
    if error.hint:
        click.echo(f"hint: {error.hint}", err=True)


def _with_vram(sets: tuple[str, ...], vram: str | None) -> tuple[str, ...]:
    # First, so that a --set of memory.vram still wins.
    return sets if vram is None else (f"memory.vram={vram}", *sets)


def _launched() -> int:
    """How many processes a launcher has started of this run."""
    from trainer.processes import is_launched

    return int(os.environ["WORLD_SIZE"]) if is_launched() else 1


def _again(config: Path, sets: tuple[str, ...], *, preset: str, restart: bool) -> list[str]:
    """The words of `run` for each of several processes."""
    words = ["run", str(config), *(["--restart"] if restart else []), *(["--preset", preset] if preset else [])]
    return words + [word for text in sets for word in ("--set", text)]


def _show(lines: list[str]) -> None:
    say: Callable[[str], None] = click.echo
    for line in lines:
        say(line)
