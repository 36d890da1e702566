"""An image has deeper greys than trainers read.

## What it does
Finds greyscale images of 16 or 32 bits, and those of floating point numbers: PNG and TIFF files of scanners,
depth maps and renderers.

## Why is this bad?
Pillow cuts their values off at 255 instead of scaling them (`convert("RGB")`;
kohya-ss/sd-scripts:library/train_util.py, `load_image`; ostris/ai-toolkit:toolkit/dataloader_mixins.py): of
65,536 greys all but the 256 darkest become white, and numbers from 0 to 1 become black. The image trains as a
white or black picture with its caption. In raw and filtered this is only said, since the edited stage scales
the values.

## Example

```
aria/scan.png       16-bit grey
```

## Use instead

```
aria/scan.png       8-bit grey, scaled
```

## Fix
None here: run dsk edit, which scales the greys to 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, is_clipped, readable
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image of deep greys."""
    hint = cure(collection, in_dataset="dsk edit scales it to 8 bits", in_folder="scale it to 8 bits")
    for image, facts in readable(collection):
        if is_clipped(facts.mode):
            yield Finding(
                path=image,
                message="its greys are deeper than 8 bits; trainers cut them off at 255 and train white or black",
                hint=hint,
                evidence={"mode": facts.mode, "bits": facts.bits},
            )


RULE = Rule(
    code="I022",
    name="clipped-grey",
    group="images",
    severity="error",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("error", "cuts the greys off at 255", "library/train_util.py, load_image"),
        "ai-toolkit": Effect("error", "cuts the greys off at 255", "toolkit/dataloader_mixins.py"),
        "naifu": Effect("error", "cuts the greys off at 255", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("error", "cuts the greys off at 255", "models/base.py, convert_crop_and_resize"),
    },
)
