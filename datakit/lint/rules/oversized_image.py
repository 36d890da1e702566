"""An image has more pixels than anybody trains on.

## What it does
Tells of images of more than 50 megapixels: posters, scans, stitched pages. Those that Pillow refuses to open
are told by bomb-sized-image instead.

## Why is this bad?
A trainer scales the image to about a megapixel (kohya-ss/sd-scripts:library/train_util.py,
`BucketManager.select_bucket`), and decodes all of it each time that its latents are computed: 50 megapixels
take a second and 150 MB and more. Fine lines and screen tones also turn into other patterns when they are
scaled down that far.

## Example

```
aria/poster.png     9000 x 12000 px
```

## Use instead

```
aria/poster.png     3000 x 4000 px
```

## Fix
None here: `do = "limit"` in `[[edited.steps]]` makes such images smaller.

## Options
- `max_megapixels` (50.0): most area, in millions of pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import PILLOW_LIMIT_PX, cure, readable, shown_size
from datakit.lint.model import Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.oversized-image]`."""

    max_megapixels: Annotated[float, msgspec.Meta(gt=0)] = 50.0
    """Most area, in millions of pixels; as `[filtered.too-large]`."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that is too large, and that trainers open all the same."""
    limit = collection.context.option(Options).max_megapixels
    hint = cure(
        collection, in_dataset="the step limit of [[edited.steps]] makes it smaller", in_folder="make it smaller"
    )
    for image, facts in readable(collection):
        number = math.prod(facts.size_px)
        if limit * 1e6 < number <= PILLOW_LIMIT_PX:
            yield Finding(
                path=image,
                message=f"{shown_size(facts)}, {number / 1e6:.1f} megapixels, over {limit:g}",
                hint=hint,
                evidence={"num_px": number},
            )


RULE = Rule(
    code="I017",
    name="oversized-image",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
)
