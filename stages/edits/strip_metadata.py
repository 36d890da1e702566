"""EXIF, XMP, comments, prompts and thumbnails go out of the files, and the pixels stay as they were encoded.

For PNG, JPEG and WebP. Colour profiles stay. An image that any other step changes has no metadata left anyway.
"""

from __future__ import annotations

import msgspec

from datakit.images.measure import ImageFacts
from datakit.images.stripping import without_metadata
from stages.edits.model import Edit


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """It has none."""


def concerns(facts: ImageFacts, settings: Settings) -> bool:
    """Any file of these formats may hold metadata."""
    return facts.format in ("png", "jpeg", "webp")


def rewrite(data: bytes, settings: Settings, file_format: str) -> bytes:
    """The file without metadata.

    Raises:
        UnreadableImage: it is not built as its format says.
    """
    return without_metadata(data, file_format)


EDIT = Edit(name="strip-metadata", words="stripped", settings=Settings, concerns=concerns, rewrite=rewrite)
