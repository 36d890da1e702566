"""An image has more pixels than Pillow opens.

## What it does
Tells of images of more than 178,956,970 pixels, Pillow's limit against files that unpack to more than a
machine holds. With `--for dsk` none are told, since that trainer opens all that is decoded here.
Over 200 million pixels nothing is decoded here either: that is an unreadable-image.

## Why is this bad?
Pillow raises DecompressionBombError as soon as the image is opened (kohya-ss/sd-scripts:library/train_util.py,
`load_image`): the run stops when the image's turn comes. naifu leaves the image out with a line among others
on the screen (Mikubill/naifu:data/image_storage.py).

## Example

```
aria/poster.png     14000 x 14000 px
```

## Use instead

```
aria/poster.png     3500 x 3500 px
```

## Fix
None here: `do = "limit"` in `[[edited.steps]]` makes such images smaller.

## Options
- `max_px` (178956970): most pixels that the trainer opens.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import PILLOW_LIMIT_PX, cure, readable, shown_size
from datakit.lint.model import Effect, Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.bomb-sized-image]`."""

    max_px: Annotated[int, msgspec.Meta(gt=0)] = PILLOW_LIMIT_PX
    """Most pixels that the trainer opens."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that a trainer refuses to open."""
    limit = collection.context.option(Options).max_px
    hint = cure(
        collection, in_dataset="the step limit of [[edited.steps]] makes it smaller", in_folder="make it smaller"
    )
    for image, facts in readable(collection):
        number = math.prod(facts.size_px)
        if number > limit:
            yield Finding(
                path=image,
                message=f"{shown_size(facts)} are {number:,} pixels; trainers open no more than {limit:,}",
                hint=hint,
                evidence={"num_px": number},
            )


RULE = Rule(
    code="I021",
    name="bomb-sized-image",
    group="images",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
    effects={
        "sd-scripts": Effect("error", "stops with DecompressionBombError", "library/train_util.py, load_image"),
        "naifu": Effect("error", "leaves the image out", "data/image_storage.py, DirectoryImageStore"),
        "dsk": Effect("off", "reads up to 200 million pixels", "trainer/data/decoding.py, MAX_PIXELS"),
    },
)
