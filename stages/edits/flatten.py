"""Transparent pixels are put on a colour; the colour hidden under them never shows.

Every image goes through it behind the last step, with the `background` of `[edited]`, or that of the item's record. As
a step it is done earlier, or with another colour: `where = "concept:sprites"`, `colour = "black"`.
"""

from __future__ import annotations

import msgspec

from datakit.images.colour import parse_colour
from datakit.images.convert import flattened
from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "flatten"`."""

    colour: str = "#ffffff"
    """Colour behind the image: `#rrggbb`, `#rgb` or a CSS name such as `white`."""

    def __post_init__(self) -> None:
        parse_colour(self.colour)


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it can be transparent anywhere."""
    return facts.has_alpha


def apply(picture: Picture, settings: Settings) -> Picture:
    """The picture, opaque."""
    if picture.alpha is None:
        return picture
    return Picture(colours=flattened(picture.colours, picture.alpha, background=parse_colour(settings.colour)))


EDIT = Edit(name="flatten", words="flattened", settings=Settings, concerns=concerns, apply=apply)
