"""`python -m datakit.demo.portraits`: a folder of portraits with captions and a manifest."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import click

from datakit.demo.portraits.cast import CHARACTERS
from datakit.demo.portraits.contract import Look
from datakit.demo.portraits.grounds import GROUNDS, PLAIN_NAMES
from datakit.demo.portraits.lots import Variety, base_looks, character_looks, looks
from datakit.demo.portraits.styles import BASE_STYLES, STYLES
from datakit.demo.portraits.writing import make_room, write
from datakit.errors import DskError, UsageError, WriteError


@dataclass(frozen=True)
class Wanted:
    """What the command line asks for."""

    count: int
    seed: int
    styles: tuple[str, ...]
    """Empty: those of the base, as often as there; of a character, adventurer."""
    base: bool
    character: str | None
    varied: bool


def wanted_looks(wanted: Wanted) -> Iterator[Look]:
    """The looks of a command line.

    Raises:
        UsageError: options that exclude each other, or an unknown style.
        InputError: a style that cannot draw the character.
    """
    for name in wanted.styles:
        if name not in STYLES:
            raise UsageError(f"--styles: there is no style {name!r}", hint=f"styles are {', '.join(STYLES)}")
    if wanted.base and (wanted.styles or wanted.character or wanted.varied):
        raise UsageError("--base draws its own styles, placed its own way", hint="leave out the other option")
    if wanted.base:
        return base_looks(wanted.count, seed=wanted.seed)
    grounds = tuple(GROUNDS) if wanted.varied else PLAIN_NAMES
    variety = Variety(flips=0.5, rotation_deg=8) if wanted.varied else Variety()
    if wanted.character:
        style, *more = wanted.styles or ("adventurer",)
        if more:
            raise UsageError("--character is drawn in one style at a time", hint="name one with --styles")
        return character_looks(
            wanted.character, wanted.count, seed=wanted.seed, style=style, grounds=grounds, variety=variety
        )
    styles = dict.fromkeys(wanted.styles, 1.0) or BASE_STYLES
    return looks(wanted.count, seed=wanted.seed, styles=styles, grounds=grounds, variety=variety)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.option("--count", default=100, show_default=True, type=click.IntRange(min=1), help="Looks drawn by lot.")
@click.option("--seed", default=1, show_default=True, help="Decides every look.")
@click.option("--styles", default="", help="Names with commas between; default: the base's four.")
@click.option("--size", "size_px", default=64, show_default=True, type=click.IntRange(16, 2048), help="Side, px.")
@click.option("--base", is_flag=True, help="As the base is trained: looks like a named character are left out.")
@click.option("--character", type=click.Choice(tuple(CHARACTERS)), help="Only this one.")
@click.option("--varied", is_flag=True, help="Mirrored, turned, and on every background.")
@click.option("--processes", default=1, show_default=True, type=click.IntRange(min=1))
def main(out: Path, size_px: int, processes: int, **wanted: object) -> None:
    """Draw portraits into the new folder OUT: pictures, captions and manifest.jsonl with the credit of each."""
    try:
        _run(out, size_px=size_px, processes=processes, options=wanted)
    except DskError as error:
        click.echo(f"error: {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(error.exit_code)


def _run(out: Path, *, size_px: int, processes: int, options: dict[str, object]) -> None:
    names = tuple(name.strip() for name in str(options.pop("styles")).split(",") if name.strip())
    drawn = wanted_looks(Wanted(styles=names, **options))  # type: ignore[arg-type]
    try:
        make_room(out)
        count = write(out, drawn, size_px=size_px, processes=processes)
    except OSError as error:
        place = error.filename or out
        raise WriteError(f"{place}: {error.strerror}", hint="check free space and permissions") from error
    click.echo(f"{count} portraits in {out}")


if __name__ == "__main__":
    main()
