"""The rotation that EXIF only notes is carried out: always, before every step."""

from __future__ import annotations

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.picture import Picture, upright
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """It has none."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it lies on its side, head or back."""
    return facts.orientation != 1


def apply(picture: Picture, settings: Settings) -> Picture:
    """The picture upright."""
    return upright(picture)


EDIT = Edit(name="orient", words="rotated", settings=Settings, concerns=concerns, apply=apply, is_always=True)
