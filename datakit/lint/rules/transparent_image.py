"""An image has pixels that one can see through.

## What it does
Finds images with at least one pixel whose alpha is below 255. An alpha channel that is opaque all over
is fine.

## Why is this bad?
Trainers see three channels. sd-scripts drops alpha (`convert("RGB")`;
kohya-ss/sd-scripts:library/train_util.py, `load_image`), which shows the colour that lies hidden under
transparent pixels: mostly black, at times remnants of another picture, with hard fringes where an edge
was soft. OneTrainer and ai-toolkit do the same, while naifu and diffusion-pipe put white below: the
same file trains differently. In raw and filtered this is only said, since the edited stage lays images
on a colour of your choice.

## Example

```
edited/aria/image1.png     RGBA, its background transparent
```

## Use instead

```
edited/aria/image1.png     RGB, laid on white
```

## Fix
None here: run dsk edit, which flattens images on the configured colour and keeps the original in raw.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, readable
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image with a pixel of alpha below 255."""
    hint = cure(
        collection, in_dataset="dsk edit lays it on the configured colour", in_folder="lay it on a colour, as RGB"
    )
    for image, facts in readable(collection):
        if facts.transparent:
            yield Finding(
                path=image,
                message="has transparent pixels; trainers drop alpha and learn the colour hidden below",
                hint=hint,
            )


RULE = Rule(
    code="I002",
    name="transparent-image",
    group="images",
    severity="error",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("error", "trains the colour hidden below", "library/train_util.py, load_image"),
        "onetrainer": Effect("error", "trains the colour hidden below", "mgds: pipelineModules/LoadImage.py"),
        "ai-toolkit": Effect("error", "trains the colour hidden below", "toolkit/dataloader_mixins.py"),
        "naifu": Effect("info", "lays it on white", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("info", "lays it on white", "models/base.py, convert_crop_and_resize"),
        "dsk": Effect("info", "lays it on white", "trainer/data/decoding.py, flattened"),
    },
)
