"""A file of another kind lies among the images.

## What it does
Finds, in folders with images, what is neither image, caption, record nor a trainer's cache: videos and
sound, archives, files of drawing programs, pictures in formats that no trainer reads (`.heic`, `.jfif`,
`.svg`), broken downloads, hidden files. With `--for diffusion-pipe`, every file that it would take for
media. What an operating system leaves behind is system-file's.

## Why is this bad?
Most trainers list the extensions that they know (kohya-ss/sd-scripts:library/train_util.py,
`IMAGE_EXTENSIONS`), so what was meant to train in another format does not, and nobody says so.
diffusion-pipe goes the other way round: every file that is not `.txt`, `.npz`, `.json`, `.parquet`,
`.bak` or `.db` is media to it (tdrussell/diffusion-pipe:utils/dataset.py). In a dataset's stages dsk takes
no notice of such files, so there it is only said.

## Example

```
aria/image1.png
aria/image1.psd
aria/clip.mp4
```

## Use instead

```
aria/image1.png
```

## Fix
None: it may be the only copy. Move it elsewhere, or convert it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.facts.sidecars import CAPTION_LIKE, folders_with_images, is_system_file
from datakit.lint.model import Effect, Finding, Rule
from datakit.model.item import concept_of, is_image, split_path, stem_of

_KINDS: Final = {
    **dict.fromkeys(("mp4", "webm", "mkv", "mov", "avi", "m4v", "wmv", "flv", "mp3", "wav", "ogg"), "a video or sound"),
    **dict.fromkeys(("zip", "rar", "7z", "tar", "gz", "tgz", "xz", "cbz", "cbr"), "an archive"),
    **dict.fromkeys(
        ("psd", "psb", "kra", "xcf", "clip", "sai", "sai2", "csp", "afphoto", "procreate", "blend"),
        "a drawing program's file",
    ),
    **dict.fromkeys(
        ("heic", "heif", "jfif", "jpe", "jp2", "svg", "ico", "tga", "dds", "exr", "hdr", "ppm", "pdf"),
        "a picture in a format that trainers do not read",
    ),
    **dict.fromkeys(("part", "crdownload", "download", "aria2", "tmp", "ugoira"), "a download that is not done"),
    **dict.fromkeys(("html", "htm", "url", "lnk", "webloc", "exe", "bat"), "no picture"),
}
"""Extension → what such a file is."""
_HARMLESS_HIDDEN: Final = frozenset({".gitignore", ".gitattributes", ".gitkeep", ".keep", ".aitk_size.json"})
_NO_MEDIA: Final = frozenset({"txt", "npz", "json", "parquet", "bak", "db"})
_TAKES_ALL: Final = "diffusion-pipe"
_UNSEEN: Final = Effect("info", "does not see it")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each file."""
    takes_all = any(target.name == _TAKES_ALL for target in collection.context.targets)
    folders = folders_with_images(collection)
    for path in collection.paths:
        if is_image(path) or concept_of(path) not in folders:
            continue
        kind = _kind(path, takes_all=takes_all and collection.stage == FOLDER)
        if kind and not is_system_file(collection, path):
            yield Finding(
                path=path,
                message=f"among the images lies {kind}",
                hint="move it elsewhere, or convert it to png, jpg or webp where it is meant to train",
                evidence={"extension": split_path(path)[1].lower()},
            )


def _kind(path: str, *, takes_all: bool) -> str:
    """What a file is; '' where nothing is wrong with it."""
    name, extension = stem_of(path), split_path(path)[1].lower()
    if extension in _KINDS:
        return _KINDS[extension]
    if takes_all and extension not in _NO_MEDIA:
        return "a file that diffusion-pipe takes for media"
    if name.startswith(".") and name not in _HARMLESS_HIDDEN and extension not in CAPTION_LIKE:
        return "a hidden file"
    return ""


RULE = Rule(
    code="P017",
    name="foreign-file",
    group="pairs",
    severity="warning",
    severity_in=dict.fromkeys((stage for stage in ALL_STAGES if stage != FOLDER), "info"),
    stages=ALL_STAGES,
    check=check,
    effects={
        "diffusion-pipe": Effect("warning", "takes it for media", "utils/dataset.py"),
        "sd-scripts": _UNSEEN,
        "onetrainer": _UNSEEN,
        "naifu": _UNSEEN,
        "dsk": _UNSEEN,
    },
)
