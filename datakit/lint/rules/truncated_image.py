"""An image was cut short.

## What it does
Finds images of which the end is missing: a download that broke off, a disk that was full. What is damaged
in another way is an unreadable-image; no file is told by both.

## Why is this bad?
The header is whole, so sd-scripts sorts the image into a bucket and stops only when its turn comes, after
the latents of the images before it (kohya-ss/sd-scripts:library/train_util.py, `load_image`). Programs that
tolerate truncation fill the missing part with grey, and the grey is learnt. In raw this is a warning, since
the filtered stage drops such images.

## Example

```
aria/image1.jpg     the download broke off after 40 kB
```

## Use instead

```
aria/image1.jpg     fetched again, whole
```

## Fix
None: the missing bytes are not there. Fetch the image again, or take it out; nothing that dsk drops is
lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import undecodable
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image whose end is missing."""
    for image, reason, cure in undecodable(collection, cut_short=True):
        yield Finding(path=image, message="was cut short: its end is missing", hint=cure, evidence={"reason": reason})


RULE = Rule(
    code="I003",
    name="truncated-image",
    group="images",
    severity="error",
    severity_in={"raw": "warning"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    effects={
        "sd-scripts": Effect("error", "stops when the image's turn comes", "library/train_util.py, load_image"),
        "onetrainer": Effect("error", "stops when the image's turn comes", "mgds: pipelineModules/LoadImage.py"),
        "naifu": Effect("error", "stops when the image's turn comes", "data/image_storage.py, get_raw_entry"),
        "dsk": Effect("error", "stops when the image's turn comes", "trainer/data/pixels.py, read_view"),
    },
)
