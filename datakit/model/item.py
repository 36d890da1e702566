"""Items and the files they consist of."""

from __future__ import annotations

from typing import Final

import msgspec

IMAGE_EXTENSIONS: Final = frozenset({"png", "jpg", "jpeg", "webp", "bmp", "gif", "avif", "jxl", "tif", "tiff"})
CAPTION_EXTENSION: Final = "txt"
RECORD_EXTENSION: Final = "json"
LOCK_NAME: Final = "stage.json"


class ImageRef(msgspec.Struct, frozen=True):
    """An image's content: its sha256 (64 lower-case hex digits), its size in bytes, its extension without dot."""

    sha256: str
    size_bytes: int
    extension: str


def split_path(path: str) -> tuple[str, str]:
    """('concept/stem', 'ext') of a path inside a stage; the extension keeps its case."""
    head, slash, name = path.rpartition("/")
    stem, dot, extension = name.rpartition(".")
    if not dot or not stem:
        return path, ""
    return f"{head}{slash}{stem}", extension


def is_image(path: str) -> bool:
    """Whether the path's extension is an image's."""
    return split_path(path)[1].lower() in IMAGE_EXTENSIONS


def concept_of(key: str) -> str:
    """The concept of an item key `concept/stem`; '' for an item directly in the stage's folder."""
    return key.rpartition("/")[0]


def stem_of(key: str) -> str:
    """The stem of an item key `concept/stem`."""
    return key.rpartition("/")[2]
