"""An image is smaller than what it trains as.

## What it does
Computes the image's bucket as sd-scripts does, for the resolution that the dataset trains at (1024 x 1024
unless said otherwise), and tells of images that are enlarged by more than 1.2 to fill it. Nothing is told
where buckets are made without enlarging (`bucket_no_upscale`).

## Why is this bad?
An image that is smaller than its bucket is enlarged in silence (kohya-ss/sd-scripts:library/train_util.py,
`BucketManager.select_bucket`); others do the same. The blur of the enlargement is learnt as part of the
style. Up to 1.2 hardly anything is to be seen, at 1.5 edges are soft, at 2 and more the picture is.

## Example

```
aria/image1.png     512 x 768 px: enlarged 1.63 times, to fill 832 x 1216 px
```

## Use instead

```
aria/image1.png     the original of 1200 x 1800 px
```

## Fix
None: fetch the original, train at a lower resolution, or turn on `bucket_no_upscale`. The step `upscale` of
edited enlarges with a model that draws edges anew.

## Options
- `max_factor` (1.2): how many times an image may be enlarged.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.buckets import fit
from datakit.lint.facts.pictures import cure, readable, shown_size
from datakit.lint.model import Effect, Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.upscaled-image]`."""

    max_factor: Annotated[float, msgspec.Meta(ge=1)] = 1.2
    """How many times an image may be enlarged."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that is enlarged too much."""
    limit = collection.context.option(Options).max_factor
    hint = cure(
        collection,
        in_dataset="fetch a larger one, or let the step upscale of [[edited.steps]] enlarge it",
        in_folder="fetch a larger one, or train with bucket_no_upscale",
    )
    for image, facts in readable(collection):
        found = fit(collection.context.training, facts.oriented_size_px)
        if found.scale > limit:
            width, height = found.bucket_px
            yield Finding(
                path=image,
                message=f"{shown_size(facts)} are enlarged {found.scale:.2f} times, to fill {width} x {height} px",
                hint=hint,
                evidence={"factor": round(found.scale, 3), "bucket_px": [width, height]},
            )


RULE = Rule(
    code="I011",
    name="upscaled-image",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
    effects={
        "sd-scripts": Effect("warning", "enlarges it", "library/train_util.py, BucketManager.select_bucket"),
        "ai-toolkit": Effect("warning", "enlarges it", "toolkit/dataloader_mixins.py, setup_buckets"),
        "dsk": Effect("warning", "enlarges it", "trainer/data/buckets.py, fit"),
    },
)
