"""An image has channels that trainers translate badly.

## What it does
Finds images in CMYK, Lab, YCbCr and HSV. Greyscale, palettes and black and white are turned into RGB without
fault and are fine; of transparency, deep greys and profiles other rules speak.

## Why is this bad?
Trainers see RGB. sd-scripts asks Pillow for it (`convert("RGB")`; kohya-ss/sd-scripts:library/train_util.py,
`load_image`), and Pillow turns CMYK into RGB by subtraction, without the profile that says what the inks look
like: the colours that train are garish and not those that a viewer shows. In raw and filtered this is only
said, since the edited stage converts such images by their profile.

## Example

```
aria/poster.jpg     CMYK, from a print shop
```

## Use instead

```
aria/poster.png     sRGB
```

## Fix
None here: run dsk edit, which makes sRGB of them by the profile.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, readable
from datakit.lint.model import Effect, Finding, Rule

_UNUSUAL: Final = frozenset({"CMYK", "LAB", "YCbCr", "HSV"})


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image with other channels than grey or red, green and blue."""
    hint = cure(collection, in_dataset="dsk edit makes sRGB of it", in_folder="convert it to sRGB, by its profile")
    for image, facts in readable(collection):
        if facts.mode in _UNUSUAL:
            yield Finding(
                path=image,
                message=f"its channels are {facts.mode}; trainers make wrong colours of them",
                hint=hint,
                evidence={"mode": facts.mode},
            )


RULE = Rule(
    code="I008",
    name="unusual-mode",
    group="images",
    severity="warning",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("warning", "converts it without its profile", "library/train_util.py, load_image"),
        "ai-toolkit": Effect("warning", "converts it without its profile", "toolkit/dataloader_mixins.py"),
        "naifu": Effect("warning", "converts it without its profile", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("warning", "converts it without its profile", "models/base.py"),
    },
)
