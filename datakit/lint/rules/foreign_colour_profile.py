"""An image has a colour profile other than sRGB.

## What it does
Finds images with an ICC profile whose colours differ from sRGB by more than two levels of 256: Display P3,
Adobe RGB, the profile of a screen or printer. Profiles that are sRGB under whatever name are fine; one that
cannot be used is a broken-colour-profile.

## Why is this bad?
No trainer reads profiles: the numbers train as if they were sRGB (kohya-ss/sd-scripts:library/train_util.py,
`load_image`; Mikubill/naifu:data/image_storage.py; ostris/ai-toolkit:toolkit/dataloader_mixins.py). A picture
in Display P3 trains paler than you see it, one in Adobe RGB more so. In raw and filtered this is only said,
since the edited stage applies the profile.

## Example

```
aria/photo.jpg      Display P3, from a telephone
```

## Use instead

```
aria/photo.png      sRGB
```

## Fix
None here: run dsk edit, which applies the profile and takes it away.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, readable
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image whose profile changes its colours."""
    hint = cure(collection, in_dataset="dsk edit converts it to sRGB", in_folder="convert it to sRGB")
    for image, facts in readable(collection):
        if facts.icc == "other":
            yield Finding(
                path=image,
                message="its colour profile is not sRGB; trainers ignore it and train other colours",
                hint=hint,
            )


RULE = Rule(
    code="I009",
    name="foreign-colour-profile",
    group="images",
    severity="warning",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("warning", "ignores the profile", "library/train_util.py, load_image"),
        "onetrainer": Effect("warning", "ignores the profile", "mgds: pipelineModules/LoadImage.py"),
        "ai-toolkit": Effect("warning", "ignores the profile", "toolkit/dataloader_mixins.py"),
        "naifu": Effect("warning", "ignores the profile", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("warning", "ignores the profile", "models/base.py, convert_crop_and_resize"),
    },
)
