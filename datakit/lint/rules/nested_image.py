"""An image lies below the folder that the trainer looks into.

## What it does
With `--for` a trainer that does not look into folders below the one that it is given, finds folders with
images inside another folder that has images, or inside a folder named `<repeats>_<concept>`. Concept
folders side by side are right, at whatever depth, and so are folders named `<repeats>_<concept>` below one
with stray images. A dataset's own stages are not meant: dsk export writes one flat folder a concept.

## Why is this bad?
sd-scripts lists one folder (kohya-ss/sd-scripts:library/train_util.py, `glob_images`), as diffusion-pipe
and dsk do, and OneTrainer does unless `include_subdirectories` is set: `10_aria/more/image1.png` is not
trained, and nothing says so. SimpleTuner, ai-toolkit and naifu look into all of them.

## Example

```
10_aria/image1.png
10_aria/more/image2.png
```

## Use instead

```
10_aria/image1.png
10_aria/image2.png
```

## Fix
None: two images may have one name, and a folder may be put aside on purpose.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.words import counted
from datakit.model.item import concept_of

_CONCEPT: Final = re.compile(r"\d+_.+")
_UNSEEN: Final = "leaves it out and says nothing"


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each folder, at its first image."""
    folders: dict[str, list[str]] = {}
    for image in collection.images:
        folders.setdefault(concept_of(image), []).append(image)
    for folder, images in folders.items():
        above = _seen_above(folder, folders)
        if above is not None:
            yield Finding(
                path=images[0],
                message=f"{counted(len(images), 'image')} in {folder} below {above or 'the topmost one'}, "
                "where the trainer stops looking",
                hint="move them up, or give the folder a place of its own beside the others",
                evidence={"folder": folder, "num_images": len(images)},
            )


def _seen_above(folder: str, folders: dict[str, list[str]]) -> str | None:
    """The nearest folder above that a trainer is given; None where there is none."""
    is_concept = _is_concept(folder)
    while folder:
        folder = concept_of(folder)
        if folder and _is_concept(folder):
            return folder
        if folder in folders and not is_concept:
            return folder
    return None


def _is_concept(folder: str) -> bool:
    return _CONCEPT.fullmatch(folder.rpartition("/")[2]) is not None


RULE = Rule(
    code="P016",
    name="nested-image",
    group="pairs",
    severity="warning",
    stages=(FOLDER,),
    check=check,
    needs_target=True,
    effects={
        "sd-scripts": Effect("warning", _UNSEEN, "library/train_util.py, glob_images"),
        "onetrainer": Effect(
            "warning", f"{_UNSEEN}, unless include_subdirectories is set", "modules/util/config/ConceptConfig.py"
        ),
        "diffusion-pipe": Effect("warning", _UNSEEN, "utils/dataset.py"),
        "dsk": Effect("warning", _UNSEEN, "trainer/data/items.py"),
    },
)
