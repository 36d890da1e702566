"""An image is turned only by a note in its EXIF data.

## What it does
Finds images whose EXIF orientation is 2 to 8: the pixels lie on their side, upside down or mirrored, and the
note tells viewers to turn them. TIFF files are no concern, since Pillow turns them itself.

## Why is this bad?
What you see is not what trains. sd-scripts ignores the note (kohya-ss/sd-scripts:library/train_util.py,
`load_image`), and so do naifu (Mikubill/naifu:data/image_storage.py) and diffusion-pipe: the figure trains
lying, in a bucket of the wrong shape. OneTrainer, SimpleTuner and ai-toolkit turn the image. In raw and
filtered this is only said, since the edited stage turns the pixels.

## Example

```
aria/image1.jpg     4000 x 3000 px, orientation 6: to be turned right
```

## Use instead

```
aria/image1.jpg     3000 x 4000 px, no note
```

## Fix
None here: run dsk edit, which turns the pixels without loss and takes the note away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, readable
from datakit.lint.model import Effect, Finding, Rule

_SEEN: Final = {
    2: "mirrored",
    3: "upside down",
    4: "mirrored and upside down",
    5: "mirrored and on its side",
    6: "on its side",
    7: "mirrored and on its side",
    8: "on its side",
}
"""EXIF orientation (Exif 2.32, tag 0x0112) → how the stored pixels look."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image whose pixels are not upright."""
    hint = cure(collection, in_dataset="dsk edit turns its pixels", in_folder="turn its pixels and remove the note")
    for image, facts in readable(collection):
        if facts.orientation in _SEEN and facts.format != "tiff":
            yield Finding(
                path=image,
                message=f"is stored {_SEEN[facts.orientation]}; only its EXIF orientation {facts.orientation} says so",
                hint=hint,
                evidence={"orientation": facts.orientation},
            )


RULE = Rule(
    code="I007",
    name="unapplied-rotation",
    group="images",
    severity="error",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("error", "trains the image as it is stored", "library/train_util.py, load_image"),
        "naifu": Effect("error", "trains the image as it is stored", "data/image_storage.py, get_raw_entry"),
        "diffusion-pipe": Effect("error", "trains the image as it is stored", "models/base.py"),
        "onetrainer": Effect("off", "turns the image", "mgds: pipelineModules/LoadImage.py"),
        "simpletuner": Effect("off", "turns the image"),
        "ai-toolkit": Effect("off", "turns the image", "toolkit/dataloader_mixins.py"),
        "dsk": Effect("off", "turns the image", "trainer/data/decoding.py, upright"),
    },
)
