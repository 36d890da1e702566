"""An image is a JPEG that was saved with low quality.

## What it does
Reads the quality from the file's quantisation tables, on libjpeg's scale of 1 to 100, and tells of images
below 60. It is that of the last save: a poor file that was saved again well, or as PNG, is not found.

## Why is this bad?
Blocks and halos around edges train with the picture (kohya-ss/sd-scripts:library/train_util.py,
`load_image`), and drawings of flat colours suffer most: at 60, 6 % of a sprite's pixels are off by more than
24 of 255 levels, at 30 a tenth of them.

## Example

```
aria/image1.jpg     quality 30, a thumbnail
```

## Use instead

```
aria/image1.png     the original
```

## Fix
None: what was lost is not in the file. Fetch the original, or leave the image out.

## Options
- `min_quality` (60): least quality, 1 to 100.
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
    """Settings, `[lint.rules.low-jpeg-quality]`."""

    min_quality: Annotated[int, msgspec.Meta(ge=1, le=100)] = 60
    """Least quality, 1 to 100; as `[filtered.jpeg-quality]`."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each JPEG of low quality."""
    least = collection.context.option(Options).min_quality
    for image, quality, cure in poor(collection, "jpeg_quality", least, section="filtered.jpeg-quality"):
        yield Finding(
            path=image,
            message=f"was saved with JPEG quality {quality}, under {least}",
            hint=cure,
            evidence={"jpeg_quality": quality},
        )


RULE = Rule(
    code="I014",
    name="low-jpeg-quality",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
)
