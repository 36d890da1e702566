"""A set has more images than most LoRAs need.

## What it does
Tells when more than 150 images are trained; what is held back (`val`, `test`, …) does not count.

## Why is this bad?
Mostly it is not: styles and fine-tunes want thousands. For a LoRA of one character, images past the first
hundred add little and hide the bad ones among them, and an epoch, which is what sd-scripts saves and
samples by (kohya-ss/sd-scripts:library/train_util.py, `BaseDataset`), gets long. This rule is a preview.

## Example

```
aria/     900 images, as they were scraped
```

## Use instead

```
aria/     80 images, chosen
```

## Fix
None: dsk find and dsk drop choose, by score, size or sharpness.

## Options
`max_images`: how many are many (150).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.holdout import trained_images
from datakit.lint.model import Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How many images are many."""

    max_images: Annotated[int, msgspec.Meta(ge=1)] = 150
    """How many are trained at most."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the collection."""
    number, most = len(trained_images(collection)), collection.context.option(Options).max_images
    if number > most:
        yield Finding(
            path="",
            message=f"{number:,} images; a LoRA of one subject rarely gains from more than {most:,}",
            hint="choose the best, or set max_images of this rule",
            evidence={"images": number},
        )


RULE = Rule(
    code="D018",
    name="many-images",
    group="dataset",
    severity="info",
    stages=TRAINED_STAGES,
    check=check,
    options=Options,
    preview=True,
)
