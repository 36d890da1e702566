"""An image is so long or so wide that no bucket holds it.

## What it does
Tells of images whose longer side is more than 3 times the shorter, and of those of which more than a fifth
is cut off to fit their bucket. Buckets are computed as sd-scripts does.

## Why is this bad?
A trainer takes the bucket whose shape is nearest and cuts off the rest in the middle of the other direction
(kohya-ss/sd-scripts:library/train_util.py, `BucketManager.select_bucket`): heads and feet of a long picture
are gone, and the caption still names them. What fits into a very long bucket trains at a fraction of the
resolution. diffusion-pipe cuts to shapes between 1:2 and 2:1 (tdrussell/diffusion-pipe:utils/dataset.py), and
latents of 2 columns have stopped runs.

## Example

```
aria/banner.png     4000 x 500 px, 8 to 1
```

## Use instead

```
aria/banner-a.png   1000 x 500 px, the part with the figure
```

## Fix
None here: cut out what matters with dsk crop, or leave the image out.

## Options
- `max_ratio` (3.0): how many times as long as its shorter side the longer one may be.
- `max_cut` (0.2): part of the image that may be cut off to fit its bucket.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.buckets import fit
from datakit.lint.facts.pictures import cure, readable, shown_size
from datakit.lint.model import Effect, Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.extreme-aspect]`."""

    max_ratio: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    """How many times as long as its shorter side the longer one may be; as `[filtered.aspect-ratio]`."""
    max_cut: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.2
    """Part of the image that may be cut off to fit its bucket."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image of an odd shape."""
    options = collection.context.option(Options)
    hint = cure(
        collection, in_dataset="cut out what matters with dsk crop, or drop it", in_folder="cut out what matters"
    )
    for image, facts in readable(collection):
        size_px = facts.oriented_size_px
        found = fit(collection.context.training, size_px)
        cut = 1 - math.prod(found.bucket_px) / math.prod(found.resized_px)
        ratio = max(size_px) / min(size_px)
        if ratio > options.max_ratio or cut > options.max_cut:
            width, height = found.bucket_px
            yield Finding(
                path=image,
                message=f"{shown_size(facts)}, {ratio:.1f} to 1: {cut:.0%} is cut off to fit {width} x {height} px",
                hint=hint,
                evidence={"ratio": round(ratio, 3), "cut": round(cut, 4), "bucket_px": [width, height]},
            )


RULE = Rule(
    code="I012",
    name="extreme-aspect",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
    effects={
        "sd-scripts": Effect("warning", "cuts it to its bucket", "library/train_util.py, BucketManager"),
        "diffusion-pipe": Effect("warning", "cuts it to between 1:2 and 2:1", "utils/dataset.py"),
        "dsk": Effect("warning", "cuts it to its bucket", "trainer/data/buckets.py, fit"),
    },
)
