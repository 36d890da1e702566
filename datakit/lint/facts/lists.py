"""Text files that list images: what is trained in `train.txt`, what validates in `val.txt`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from datakit.errors import InputError
from datakit.lint.captions import read_caption
from datakit.lint.collection import Collection
from datakit.model.item import is_image, split_path, stem_of

_NAME: Final = re.compile(r"(train|val|valid|validation|test|eval)(_.*)?", re.IGNORECASE)
_MOST_LETTERS: Final = 4096
"""Of a line that may be a path."""


class ImageList(NamedTuple):
    """A list of images."""

    path: str
    is_held_out: bool
    """Whether it lists what is not trained."""
    images: tuple[str, ...]
    """Those that it names and that are there, in its order, each once."""
    missing: tuple[str, ...]
    """Its lines that name no image, as they stand there."""


def lists_of(collection: Collection) -> Iterator[ImageList]:
    """The lists of a collection: of the files with such a name, those with a line that could be an image."""
    images = collection.images_of
    bare = (
        paths for key, paths in collection.captions_of.items() if key not in images and _NAME.fullmatch(stem_of(key))
    )
    named = [path for paths in bare for path in paths]
    if not named:
        return
    known = _Known(collection)
    for path in named:
        lines = _lines(collection, path)
        rows = [(line, known.find(line, path)) for line in lines if line and not line.startswith("#")]
        if any(found or is_image(line) for line, found in rows):
            yield ImageList(
                path=path,
                is_held_out=not stem_of(path).lower().startswith("train"),
                images=tuple(dict.fromkeys(found for _, found in rows if found)),
                missing=tuple(dict.fromkeys(line for line, found in rows if not found)),
            )


def _lines(collection: Collection, path: str) -> list[str]:
    """The lines of one file, without all captions being read for it; none where it cannot be read."""
    try:
        text = read_caption(path, collection.read(path)).text
    except InputError:
        return []
    return [line.strip() for line in text.splitlines()]


class _Known:
    """The images by what a line may call them: path, file name, either without extension."""

    def __init__(self, collection: Collection) -> None:
        self._images = frozenset(collection.images)
        self._names: dict[str, str] = {}
        for image in reversed(collection.images):
            for name in (split_path(image)[0], split_path(stem_of(image))[0], stem_of(image), image):
                self._names[name] = image

    def find(self, line: str, path: str) -> str:
        """The image that a line of the list means; '' where there is none."""
        wanted = line[:_MOST_LETTERS].replace("\\", "/")
        while wanted.startswith("./"):
            wanted = wanted[2:]
        beside = f"{path.rpartition('/')[0]}/{wanted}".lstrip("/")
        if beside in self._images:
            return beside
        return self._names.get(wanted) or self._names.get(wanted.rpartition("/")[2], "")
