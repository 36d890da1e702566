"""An image has several frames.

## What it does
Finds animations: GIF, WebP, PNG and AVIF files with more than one frame. A GIF of one frame is none, nor is
a photo of a camera that holds a second view (MPO).

## Why is this bad?
The first frame trains, and nothing else: Pillow opens a file at its first frame
(kohya-ss/sd-scripts:library/train_util.py, `load_image`; Mikubill/naifu:data/image_storage.py). Often that
is the title, a black picture or the fade-in, and its caption speaks of what comes later. In raw and filtered
this is only said, since the edited stage keeps the first frame.

## Example

```
aria/dance.gif      48 frames
```

## Use instead

```
aria/dance-01.png   the frames that are worth training, each with its caption
aria/dance-17.png
```

## Fix
None: which frames are good is for you to see. `dsk import --frames 8` takes some, evenly spread.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, readable
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image with more than one frame."""
    hint = cure(
        collection,
        in_dataset="dsk import --frames N takes frames of it; dsk edit keeps the first",
        in_folder="take the frames that are worth training, or save the first one alone",
    )
    for image, facts in readable(collection):
        if facts.animated:
            yield Finding(path=image, message="is animated; only its first frame trains", hint=hint)


RULE = Rule(
    code="I005",
    name="animated-image",
    group="images",
    severity="warning",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
)
