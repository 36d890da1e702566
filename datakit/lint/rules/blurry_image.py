"""An image is blurred all over.

## What it does
Measures the steepest edges by their slope against their own height, in an image of about a megapixel, and
tells of images where even these are below 0.3: a blur of 1.5 pixels, or an enlargement of four times. A soft
background behind a sharp figure is fine, and so are few colours and low contrast.

## Why is this bad?
Blur trains like anything else that stands in the picture and not in the caption
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`: the text alone says what may change). Most
often such images were enlarged from thumbnails.

## Example

```
aria/image1.png     1200 x 1800 px, enlarged from 200 x 300 px
```

## Use instead

```
aria/image1.png     the original
```

## Fix
None: what is not in the file cannot be brought back. Fetch the original, or leave the image out.

## Options
- `min_sharpness` (0.3): how steep the best edges must be, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import poor
from datakit.lint.model import Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.blurry-image]`."""

    min_sharpness: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.3
    """How steep the best edges must be, 0 to 1; as `[filtered.blurry]`."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each blurred image; one without any edge is featureless instead."""
    least = collection.context.option(Options).min_sharpness
    for image, sharpness, cure in poor(collection, "sharpness", least, section="filtered.blurry"):
        yield Finding(
            path=image,
            message=f"is blurred: sharpness {sharpness:.2f}, under {least:g}",
            hint=cure,
            evidence={"sharpness": sharpness},
        )


RULE = Rule(
    code="I015",
    name="blurry-image",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
)
