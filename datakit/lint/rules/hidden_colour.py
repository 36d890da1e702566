"""An image hides other colours under its transparency.

## What it does
Looks at the pixels that are fully transparent, alpha 0. Colour is stored there too, and nobody sees it: the
background that was cut away, mostly. An image is told when at least 2 % of it is hidden and of another
colour than most of what is hidden, in at least 8 colours. Black, white or any flat colour there, and a
figure's own colours along its edge, are fine; that it is transparent at all is told by transparent-image.

## Why is this bad?
What drops alpha shows them: sd-scripts does (`convert("RGB")`;
kohya-ss/sd-scripts:library/train_util.py, `load_image`), OneTrainer and ai-toolkit as well. So the model
learns the background that was removed, or smears of a painter's program, and no preview shows them. Those that lay the
image on a colour do not.

## Example

```
aria/image1.png     looks cut out; under alpha 0 the whole room is still there
```

## Use instead

```
aria/image1.png     RGB, laid on white
```

## Fix
None here: run dsk edit, which lays images on the configured colour, so that hidden colour never shows.

## Options
- `min_share` (0.02): part of the image that is hidden and of another colour than most of it.
- `min_colours` (8): how many colours, in steps of 16 levels a channel, must be hidden.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, measured
from datakit.lint.model import Effect, Finding, Rule


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.hidden-colour]`."""

    min_share: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.02
    """Part of the image that is hidden and of another colour than most of what is hidden."""
    min_colours: Annotated[int, msgspec.Meta(ge=1)] = 8
    """How many colours, in steps of 16 levels a channel, must be hidden."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that hides more than a flat colour."""
    options = collection.context.option(Options)
    hint = cure(collection, in_dataset="dsk edit lays it on the configured colour", in_folder="lay it on a colour")
    for image, _, found in measured(collection):
        share, colours = found.get("hidden_share", 0.0), found.get("hidden_colours", 0)
        if colours >= options.min_colours and share >= options.min_share:
            yield Finding(
                path=image,
                message=f"hides other colours under its transparency, on {share:.0%} of it",
                hint=hint,
                evidence={"hidden_share": share, "hidden_colours": colours},
            )


RULE = Rule(
    code="I006",
    name="hidden-colour",
    group="images",
    severity="error",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
    effects={
        "sd-scripts": Effect("error", "trains the hidden colours", "library/train_util.py, load_image"),
        "onetrainer": Effect("error", "trains the hidden colours", "mgds: pipelineModules/LoadImage.py"),
        "ai-toolkit": Effect("error", "trains the hidden colours", "toolkit/dataloader_mixins.py"),
        "naifu": Effect("off", "lays the image on white", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("off", "lays the image on white", "models/base.py, convert_crop_and_resize"),
        "dsk": Effect("off", "lays the image on white", "trainer/data/decoding.py, flattened"),
    },
)
