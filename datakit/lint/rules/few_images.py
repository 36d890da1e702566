"""A concept has few images.

## What it does
Tells the folders of images with fewer than fifteen that are trained; what is held back (`val`, `test`, …)
does not count.

## Why is this bad?
From few pictures a model learns what they have in common besides the subject: the pose, the background,
the framing. More repeats do not help, they show the same again (kohya-ss/sd-scripts:library/train_util.py,
`BaseDataset.register_image`, counts a repeat as another copy). A style or a pose may do with fewer, so this
is worth knowing and no more.

## Example

```
aria/     6 images
```

## Use instead

```
aria/     20 images of different poses and places
```

## Fix
None: find more images, or cut details out of the ones you have with dsk crop --new.

## Options
`min_images`: how many a concept should have (15).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.holdout import learnt_by_concept
from datakit.lint.model import Finding, Rule
from datakit.lint.words import counted, listed


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How many images are few."""

    min_images: Annotated[int, msgspec.Meta(ge=1)] = 15
    """How many a concept should have."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the collection; its evidence has the concepts with their numbers."""
    least = collection.context.option(Options).min_images
    few = {concept: len(images) for concept, images in learnt_by_concept(collection).items() if len(images) < least}
    if few:
        told = listed(
            f"{concept or 'the folder itself'} has {counted(number, 'image')}" for concept, number in _by(few)
        )
        yield Finding(
            path="",
            message=f"{told}; under {least} a model learns poses and backgrounds with the subject",
            hint="find more images of other poses and places",
            evidence={"concepts": few},
        )


def _by(few: dict[str, int]) -> list[tuple[str, int]]:
    return sorted(few.items(), key=lambda row: (row[1], row[0]))


RULE = Rule(
    code="D013",
    name="few-images",
    group="dataset",
    severity="info",
    stages=TRAINED_STAGES,
    check=check,
    options=Options,
)
