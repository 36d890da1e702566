"""dsk crop."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from datakit.actions.cropping import Cropped, Cut, crop, cut_out
from datakit.actions.project import open_project
from datakit.cli.output import say, say_json, tell_skipped
from datakit.errors import UsageError
from datakit.model.record import Box

_OWN: Final = "\0"
"""What `--new` without a name gives."""
_NUM_NUMBERS: Final = 4


@click.command("crop")
@click.argument("words", nargs=-1, required=True, metavar="ITEM... [X Y WIDTH HEIGHT]")
@click.option("--clear", is_flag=True, help="Want nothing of the image any more: no part, no colour.")
@click.option("--background", default="", metavar="COLOUR", help="Put its transparency on this colour.")
@click.option(
    "--new",
    "name",
    is_flag=False,
    flag_value=_OWN,
    default=None,
    metavar="[NAME]",
    help="Make a new item of the part, called CONCEPT/STEM-crop or NAME.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what is wanted of each image as JSON.")
def command(words: tuple[str, ...], clear: bool, background: str, name: str | None, as_json: bool) -> None:
    """Take a part of items' images: WIDTH x HEIGHT pixels, X from the left and Y from the top of the upright image.

    The record in raw holds it and the stage edited does it, each time it runs: raw keeps the whole image, and
    --clear brings it back. With --new (at the end of the line) the item stays as it is and its part becomes another
    item, with the same tags.
    """
    items, box = _split(words)
    project = open_project(Path.cwd())
    if name is None:
        done = crop(project, items, box, background=background, clear=clear)
    elif box is None or clear:
        raise UsageError("--new needs X Y WIDTH HEIGHT, and no --clear", hint="dsk crop ITEM 10 20 512 768 --new")
    else:
        done = cut_out(project, items, box, name="" if name == _OWN else name, background=background)
    if as_json:
        say_json(done)
        return
    _tell(done)


def _split(words: tuple[str, ...]) -> tuple[tuple[str, ...], Box | None]:
    """The items, and the numbers at the end; '7' alone may well be an item."""
    try:
        x, y, width, height = (int(word) for word in words[-_NUM_NUMBERS:])
    except ValueError:
        numbers = [word for word in words if word.isdecimal()]
        if numbers and words[-1] in numbers and len(words) > 1:
            raise UsageError(
                f"four whole numbers are needed behind the items: X Y WIDTH HEIGHT, not {' '.join(numbers)}",
                hint="dsk crop ITEM 10 20 512 768; an item that is called like a number: CONCEPT/7",
            ) from None
        return words, None
    if len(words) == _NUM_NUMBERS:
        raise UsageError("of which item?", hint="dsk crop ITEM 10 20 512 768; --new stands at the end of the line")
    return words[:-_NUM_NUMBERS], (x, y, width, height)


def _tell(done: Cropped) -> None:
    if done.subject:
        say(done.subject)
    for cut in done.items:
        if cut.is_same:
            say(f"{cut.key}: {_same(cut)}")
    tell_skipped([f"{one.key}: {one.why}" for one in done.skipped])
    if done.commit:
        made = any(cut.source for cut in done.items)
        say("next: dsk advance, and the new item goes its way" if made else "next: dsk advance, and edited does it")


def _same(cut: Cut) -> str:
    return f"is that part of {cut.source} already" if cut.source else "nothing changed, that is wanted already"
