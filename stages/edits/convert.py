"""What images are written as: images of another format are written anew, changed or not.

Without this step only images that change, or whose format trainers do not read, are written anew, as `format` of
`[edited]` says. JPEG loses something each time.
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from datakit.images.convert import Extension
from datakit.images.measure import ImageFacts
from stages.edits.model import Edit, Written


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What stands beside `do = "convert"`."""

    format: Extension = "png"
    """`png`, `webp` (without loss) or `jpeg`."""
    quality: Annotated[int, msgspec.Meta(ge=1, le=100)] = 95
    """Of JPEG, 1 to 100."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Whether it has another format."""
    return facts.format != settings.format


def writes(settings: Settings) -> Written:
    """The format."""
    return Written(extension=settings.format, quality=settings.quality)


EDIT = Edit(name="convert", words="re-encoded", settings=Settings, concerns=concerns, writes=writes)
