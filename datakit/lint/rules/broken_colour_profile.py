"""An image has a colour profile that cannot be used.

## What it does
Finds images with an ICC profile that is no profile, or that describes other channels than the image has.

## Why is this bad?
Trainers ignore profiles (kohya-ss/sd-scripts:library/train_util.py, `load_image`), so the image trains as it
is. But programs that do not ignore it may show other colours than those that train, or refuse the file, and
what the colours were meant to be is no longer known.

## Example

```
aria/image1.png     a profile for CMYK in an RGB image
```

## Use instead

```
aria/image1.png     no profile: sRGB
```

## Fix
None here: look whether the colours are right. The step `strip-metadata` of edited takes the profile away.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import readable
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image whose profile cannot be used."""
    for image, facts in readable(collection):
        if facts.icc == "broken":
            yield Finding(
                path=image,
                message="its colour profile cannot be used; it trains as sRGB",
                hint="look whether its colours are right, and save it without a profile",
            )


RULE = Rule(
    code="I020",
    name="broken-colour-profile",
    group="images",
    severity="info",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
)
