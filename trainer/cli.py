"""The trainer's commands; torch is imported only by those that need it."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from trainer.errors import InterruptedRun, MissingExtraError, TrainerError, WriteError

if TYPE_CHECKING:
    from trainer.progress import Reporter

CONFIG = click.argument("config", type=click.Path(path_type=Path))


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
def cli() -> None:
    """Trains a LoRA, a network or a word on a folder of captioned pictures.

    CONFIG is a TOML of the run; `fields` lists all that it may say.
    """


@cli.command()
@CONFIG
@click.option("--dry-run", is_flag=True, help="Only show the resolved config, pictures, buckets and steps.")
@click.option("--restart", is_flag=True, help="Throw the checkpoints in the output folder away first.")
def run(config: Path, dry_run: bool, *, restart: bool) -> None:
    """Trains; goes on where the same command was stopped."""
    from trainer import plan

    made = plan.make(config)
    if dry_run:
        _show(plan.describe(made))
        return
    from trainer.atomic import make_folder

    make_folder(made.output)
    _require_extra()
    from trainer.run import bake

    result = bake(made, _reporter(), restart=restart)
    click.echo(f"baked {result.steps} steps in {result.seconds:.1f} s, loss {result.final_loss:.4f}")


@cli.command()
@CONFIG
@click.option("--lora", required=True, type=click.Path(path_type=Path), help="The LoRA, checkpoint or embedding.")
@click.option("--prompt", "prompts", multiple=True, help="One row each; default: those of the config.")
@click.option("--out", default=Path("grid.png"), show_default=True, type=click.Path(path_type=Path), help="The PNG.")
@click.option("--seed", type=click.IntRange(min=0), help="Of the starting noise; default: that of the config.")
def sample(config: Path, lora: Path, *, prompts: tuple[str, ...], out: Path, seed: int | None) -> None:
    """Makes a sheet of pictures, without and with what was trained, from the same seeds."""
    from dataclasses import replace

    from trainer.tools.asking import plan_of_sheet

    made = plan_of_sheet(config, prompts)
    _require_extra()
    from trainer import products, sheets
    from trainer.atomic import write_file
    from trainer.sampling import grid

    wanted = sheets.request(made)
    wanted = wanted if seed is None else replace(wanted, seed=seed)
    image = products.sample(made, lora, wanted=wanted, title=lora.stem)
    write_file(out, grid.png(image, [("Title", lora.stem)]))
    click.echo(f"saved {out}")


@cli.command()
@CONFIG
@click.option(
    "--prompt", "prompts", multiple=True, required=True, help="The class; several take turns, {a|b} is drawn."
)
@click.option("--count", default=100, show_default=True, type=click.IntRange(min=1), help="Pictures in all.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="The folder.")
@click.option("--size", "sizes", multiple=True, metavar="WxH", help="In pixels; several take turns; default: [sample].")
@click.option("--seed", type=click.IntRange(min=0, max=2**53), help="Of all choices; default: that of [sample].")
@click.option("--negative", help="What the pictures shall not be; default: that of [sample].")
@click.option("--batch", default=1, show_default=True, type=click.IntRange(min=1), help="Pictures made at once.")
def classgen(config: Path, *, out: Path, **options: Any) -> None:
    """Makes regularization pictures with the base model alone; goes on where the same command was stopped.

    Each has its prompt as caption beside it; dataset.toml in the folder holds the lines that train with them.
    """
    from trainer.tools import asking

    plan = asking.plan_of_base(config)
    request = asking.request(plan, asking.Options(**options))
    _require_extra()
    from trainer.signals import stop_wish
    from trainer.tools.classgen import make, painter

    reporter = _reporter()
    with stop_wish() as stop:
        loaded = painter(plan)
        reporter.begin("drawing", done=0, total=request.count)
        try:
            made = make(loaded, request, folder=out, stop=stop, tell=lambda number: reporter.advance())
        finally:
            reporter.end()
    what = "1 picture" if made.new == 1 else f"{made.new} pictures"
    click.echo(f"made {what} in {out}" + (f", {made.kept} were there" if made.kept else ""))


@cli.command()
@CONFIG
def check(config: Path) -> None:
    """Checks the config and its dataset, quickly."""
    from trainer import plan

    made = plan.make(config)
    for note in made.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"ok: {len(made.trained)} images, {made.steps} steps, {made.epochs} epochs")


@cli.command()
def fields() -> None:
    """Lists every field of the config with its default."""
    from trainer.config import defaults

    section = ""
    for name, key, default, sentence in defaults():
        if name != section:
            click.echo(f"{chr(10) if section else ''}[{name}]")
            section = name
        click.echo(f"  {key} = {default!r}\n      {sentence}")


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


def _show(lines: list[str]) -> None:
    say: Callable[[str], None] = click.echo
    for line in lines:
        say(line)


def _reporter() -> Reporter:
    from trainer.progress import PlainReporter, RichReporter

    return RichReporter() if sys.stdout.isatty() else PlainReporter(click.echo)


def _require_extra() -> None:
    """Imports the heavy libraries, offline and without their chatter. Raises MissingExtraError."""
    # Threads that spin while they wait make a shared CPU fifty times slower; read once, when torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("DIFFUSERS_VERBOSITY", "error")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    try:
        for name in ("torch", "diffusers", "transformers", "safetensors"):
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"training needs {error.name}, which is not installed", hint="pip install 'dsk[train]'"
        ) from None
