"""Several image sizes lie in one set.

## What it does
Tells how many sizes in pixels the images have, and the most frequent of them.

## Why is this bad?
Mostly it is not: with buckets, which every trainer of today has, each image trains at a size of its own
shape. Without them sd-scripts resizes and crops every image to one size
(kohya-ss/sd-scripts:library/train_util.py, `BucketManager`), and cuts off what does not fit. Many sizes
also make buckets that no batch fills: see short-bucket. This rule is a preview: it says what is there.

## Example

```
aria/image1.png     1024 x 1024
aria/image2.png     640 x 1536
```

## Use instead

```
aria/image1.png     1024 x 1024
aria/image2.png     1024 x 1024, cropped to what matters
```

## Fix
None: turn buckets on where you train, or crop.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.holdout import trained_images
from datakit.lint.model import Finding, Rule
from datakit.lint.words import counted, listed


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the collection; its evidence has the sizes with their numbers."""
    found = (collection.facts(image).oriented_size_px for image in trained_images(collection))
    sizes = Counter(f"{width} x {height}" for width, height in found if width and height)
    if len(sizes) < 2:
        return
    told = listed(f"{size} ({counted(number, 'image')})" for size, number in sizes.most_common())
    crops = "" if collection.context.training.enable_bucket else "; buckets are off, so all are cropped to one size"
    yield Finding(
        path="",
        message=f"{len(sizes):,} sizes: {told}{crops}",
        hint="train with buckets, or crop the images to few shapes",
        evidence={"sizes": dict(sizes.most_common(100))},
    )


RULE = Rule(
    code="D014",
    name="mixed-sizes",
    group="dataset",
    severity="info",
    stages=TRAINED_STAGES,
    check=check,
    looks=(MEASURED,),
    preview=True,
)
