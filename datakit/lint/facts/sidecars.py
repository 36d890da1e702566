"""Captions that lie beside their image under a name that trainers do not read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from datakit.lint.collection import FOLDER, Collection, once
from datakit.lint.model import Change, Effect, Finding, Rename
from datakit.model.item import CAPTION_EXTENSION, concept_of, is_image, split_path, stem_of

CAPTION_LIKE: Final = frozenset({"txt", "caption", "captions", "cap", "text", "tags", "tag", "prompt"})
"""Extensions, lower case, of files that say what is in the image of their stem."""

_SYSTEM: Final = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", ".ds_store", ".directory"})
_APPLE_DOUBLE: Final = b"\x00\x05\x16\x07"
_APPLE_TWIN: Final = "._"
WITHOUT_CAPTION: Final[Mapping[str, Effect]] = {
    "sd-scripts": Effect(
        "error", "trains class_tokens, else an empty prompt after a warning", "library/train_util.py, read_caption"
    ),
    "onetrainer": Effect(
        "error", "trains an empty prompt and says nothing", "mgds: src/mgds/pipelineModules/LoadMultipleTexts.py"
    ),
    "simpletuner": Effect("error", "stops with a FileNotFoundError", "simpletuner/helpers/prompts.py"),
    "ai-toolkit": Effect(
        "error", "trains default_caption, else an empty prompt, and says nothing", "toolkit/dataloader_mixins.py"
    ),
    "diffusion-pipe": Effect("warning", "leaves the image out", "utils/dataset.py, skip_empty_caption"),
    "naifu": Effect("error", "trains an empty prompt after a warning", "data/image_storage.py"),
}
"""What trainers do with an image that has no caption where they look for it."""


WITH_EMPTY_CAPTION: Final[Mapping[str, Effect]] = {
    "sd-scripts": Effect("error", "trains an empty prompt and says nothing", "library/train_util.py, read_caption"),
    "onetrainer": Effect("error", "trains an empty prompt and says nothing"),
    "ai-toolkit": Effect("error", "trains an empty prompt and says nothing", "toolkit/dataloader_mixins.py"),
    "diffusion-pipe": Effect("error", "trains an empty prompt and says nothing", "utils/dataset.py"),
    "naifu": Effect("error", "trains an empty prompt", "data/image_storage.py"),
    "dsk": Effect("error", "stops and names the file", "trainer/data/items.py"),
}
"""What trainers do with a caption in which there is nothing to see. diffusion-pipe's skip_empty_caption, in spite of
its name, leaves out images whose caption file is missing: a file of zero bytes is a caption to it."""


class Misnamed(NamedTuple):
    """A caption that lies beside its image and is not read."""

    path: str
    images: tuple[str, ...]
    """Those that it speaks of: one where its name has the image's extension."""
    wanted: str
    """The path that it would be read at."""
    is_double: bool
    """Whether it is named after the whole file: `k.png.txt`."""
    is_spare: bool
    """Whether the image has a caption that is read."""
    is_alone: bool
    """Whether no other caption wants that path, and no other image would share it."""


def caption_extensions(collection: Collection) -> frozenset[str]:
    """Extensions of captions that are read there: `txt`, and what all trainers that are aimed at read besides.

    A trainer reads one extension at a time, so where images have `.txt` beside them, it is the only one.
    """
    usual = frozenset({CAPTION_EXTENSION})
    targets = collection.context.targets
    if collection.stage != FOLDER or not targets:
        return usual
    read = frozenset.intersection(*(frozenset(target.caption_extensions) for target in targets)) or usual
    if CAPTION_EXTENSION in read and len(read) > 1 and _has_usual(collection):
        return usual
    return read


@once
def misnamed(collection: Collection) -> list[Misnamed]:
    """The captions of wrong names: wrong extensions of images without a caption, and all named after the whole file."""
    read = caption_extensions(collection)
    usual = CAPTION_EXTENSION if CAPTION_EXTENSION in read else min(read)
    found: list[tuple[str, str, bool]] = []
    for path in collection.paths:
        if path.rpartition(".")[2].lower() not in CAPTION_LIKE:
            continue
        key, extension = split_path(path)
        if key in collection.images_of:
            if extension not in read and not has_caption(collection, key, read):
                found.append((path, key, False))
        elif is_double(collection, key):
            found.append((path, split_path(key)[0], True))
    wishes = Counter(key for _, key, _ in found)
    return [
        Misnamed(
            path=path,
            images=(split_path(path)[0],) if double else collection.images_of[key],
            wanted=f"{key}.{usual}",
            is_double=double,
            is_spare=has_caption(collection, key, read),
            is_alone=wishes[key] == 1 and not (double and len(collection.images_of[key]) > 1),
        )
        for path, key, double in found
    ]


def renamed(finding: Finding, collection: Collection) -> Sequence[Change]:
    """The change that gives a misnamed caption the name that its finding's evidence wants."""
    del collection
    return [Rename(finding.path, finding.evidence["wanted"])]


def is_double(collection: Collection, key: str) -> bool:
    """Whether a caption's path without its extension, of which no image has that key, is an image's file name."""
    return is_image(key) and key in collection.held


def has_caption(collection: Collection, key: str, extensions: frozenset[str]) -> bool:
    """Whether an image has a caption of one of the extensions, in exactly that case."""
    return any(f"{key}.{extension}" in collection.held for extension in extensions)


@once
def folders_with_images(collection: Collection) -> frozenset[str]:
    """The folders that hold images themselves; '' is the collection's own."""
    return frozenset(map(concept_of, collection.images_of))


def is_system_file(collection: Collection, path: str) -> bool:
    """Whether an operating system left a file behind; `._name` only with the first bytes of macOS' twins."""
    name = stem_of(path)
    if name.startswith(_APPLE_TWIN):
        return collection.read(path).startswith(_APPLE_DOUBLE)
    return name.lower() in _SYSTEM


def _has_usual(collection: Collection) -> bool:
    return any(f"{key}.{CAPTION_EXTENSION}" in collection.held for key in collection.images_of)
