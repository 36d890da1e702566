"""An image is named as another format than it is.

## What it does
Holds the extension against the file's first bytes. `.jpg` and `.jpeg`, `.tif` and `.tiff` are one format
each, upper case is fine, and a JPEG with several pictures in it (MPO) is a JPEG.

## Why is this bad?
Most loaders go by the bytes, until one does not: viewers, web pages and taggers refuse the file, an AVIF
that is named `.png` needs a plugin that nobody thought of, and an animation named `.png` trains its first
frame unnoticed. OneTrainer reads `.webp` by another library than the rest
(Nerogar/mgds:src/mgds/pipelineModules/LoadImage.py). Trainers also choose which files they see by the name
alone (kohya-ss/sd-scripts:library/train_util.py, `glob_images`).

## Example

```
aria/image1.png     its bytes are a JPEG
aria/image1.txt
```

## Use instead

```
aria/image1.jpg
aria/image1.txt
```

## Fix
Safe: renames the image; its bytes, its caption and all else stay. Not where another file has that name, or
where two images would get it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import readable
from datakit.lint.model import Change, Finding, Rename, Rule
from datakit.model.item import IMAGE_EXTENSIONS, split_path, stem_of

_ALIASES: Final = {"jpg": "jpeg", "tif": "tiff"}
_EXTENSIONS: Final = {"jpeg": "jpg"}
"""Format → its usual extension, where that is not its name."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image; its evidence has the name that it should have."""
    wrong: dict[str, tuple[str, str]] = {}
    for image, facts in readable(collection):
        stem, extension = split_path(image)
        said = _ALIASES.get(extension.lower(), extension.lower())
        right = _EXTENSIONS.get(facts.format, facts.format)
        if said != facts.format and right in IMAGE_EXTENSIONS:
            wrong[image] = f"{stem}.{right}", facts.format
    taken = Counter(path.casefold() for path in collection.paths) if wrong else Counter()
    taken.update(new.casefold() for new, _ in wrong.values())
    for image, (new, kind) in wrong.items():
        is_free = taken[new.casefold()] == 1
        other = f"another file is to be {stem_of(new)}; look which one is wanted"
        yield Finding(
            path=image,
            message=f"is named .{split_path(image)[1]} and is {kind.upper()}",
            hint=f"dsk lint --fix renames it to {stem_of(new)}" if is_free else other,
            fixable=is_free,
            evidence={"format": kind, "name": new},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Rename the image alone: captions go by the stem."""
    return [Rename(finding.path, finding.evidence["name"])]


RULE = Rule(
    code="I004",
    name="mismatched-extension",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    looks=(MEASURED,),
)
