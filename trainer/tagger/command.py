"""`python -m trainer tagger`."""

from __future__ import annotations

from pathlib import Path

import click

from trainer.starting import reporter, require_extra


@click.command("tagger")
@click.argument("config", type=click.Path(path_type=Path))
@click.option("--restart", is_flag=True, help="Throw away the checkpoint that the run before left.")
def tagger(config: Path, restart: bool) -> None:
    """Trains a small tagger on captioned pictures, as ONNX in the form of the WD taggers; goes on where it was stopped.

    CONFIG is a TOML with [data] folders and [output] folder; trainer/tagger/dsk-tiny-tagger.toml is one.
    """
    require_extra()
    from trainer.signals import stop_wish
    from trainer.tagger.run import train

    with stop_wish() as stop:
        made = train(config, reporter=reporter(), stop=stop, restart=restart)
    told = "".join(f", {name} {f1:.3f}" for name, f1 in made.judged.items())
    click.echo(
        f"trained on {made.num_pictures} pictures for {made.num_tags} tags in {made.seconds:.0f} s: "
        f"macro-F1 validation {made.validation_f1:.3f}{told}; saved {made.folder}"
    )
