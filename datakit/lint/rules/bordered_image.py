"""An image has bars of one colour at its sides.

## What it does
Finds bars as of a film on a screen of another shape, where they take more than 2 % of the width or height. A
bar runs along a whole side in one colour and ends all at once: the plain background of a drawing is none.

## Why is this bad?
The bars are part of what trains (kohya-ss/sd-scripts:library/train_util.py, `load_image`, takes the image as
it is), and no caption names them: pictures of the model get bars, and the bucket is chosen for the shape with
bars.

## Example

```
aria/scene.png      1920 x 1080 px, 140 px of black above and below
```

## Use instead

```
aria/scene.png      1920 x 800 px
```

## Fix
None here: `do = "crop-borders"` in `[[edited.steps]]` cuts bars off, `dsk crop` those of one image.

## Options
- `min_share` (0.02): part of the width or height that bars must take to be told.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, measured
from datakit.lint.model import Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.bordered-image]`."""

    min_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    """Part of the width or height that bars must take; as `[filtered.letterbox]`."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image with bars."""
    least = collection.context.option(Options).min_share
    hint = cure(
        collection, in_dataset="the step crop-borders of [[edited.steps]] cuts them off", in_folder="cut them off"
    )
    for image, facts, found in measured(collection):
        width, height = facts.oriented_size_px
        left, top, right, bottom = found["bars_px"]
        if max((left + right) / max(1, width), (top + bottom) / max(1, height)) > least:
            sides = {"left": left, "top": top, "right": right, "bottom": bottom}
            told = ", ".join(f"{side} {size} px" for side, size in sides.items() if size)
            yield Finding(
                path=image,
                message=f"has bars at its sides: {told}",
                hint=hint,
                evidence={"bars_px": [left, top, right, bottom]},
            )


RULE = Rule(
    code="I013",
    name="bordered-image",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
)
