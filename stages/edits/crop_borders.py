"""Bars at the sides go: lines of one colour, as letterboxing leaves them, and transparent margins.

A plain background is no bar: a figure before it begins with a few pixels of a line, while behind a bar most of a line
begins at once (`min_edge`). With `min_edge = 0` every margin of one colour goes. Transparent margins always go.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.borders import inner_box
from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, cropped
from stages.edits.model import Edit

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "crop-borders"`."""

    tolerance: Annotated[int, msgspec.Meta(ge=0, le=255)] = 12
    """Levels, of 255, by which the pixels of a bar may differ: JPEG's noise."""
    min_edge: Share = 0.6
    """Share of the first line behind a bar that must differ from it, 0 to 1."""
    max_loss: Share = 0.7
    """Share of the image that may go; an image with more margin stays as it is."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Any image may have bars: its pixels must be looked at."""
    return True


def apply(picture: Picture, settings: Settings) -> Picture:
    """The picture without its bars."""
    box = inner_box(picture, tolerance=settings.tolerance, min_edge=settings.min_edge)
    width, height = picture.size_px
    if box[2] * box[3] < (1 - settings.max_loss) * width * height:
        return picture
    return cropped(picture, box)


EDIT = Edit(name="crop-borders", words="cropped", settings=Settings, concerns=concerns, apply=apply)
