"""An image cannot be decoded.

## What it does
Finds images that are damaged, empty, not images at all, or larger than is decoded. All pixels are read, not
only the header. A file of which only the end is missing is a truncated-image.

## Why is this bad?
sd-scripts reads only headers when it sorts images into buckets, so a damaged file stops the run when its
turn comes, after the latents of the images before it (kohya-ss/sd-scripts:library/train_util.py,
`load_image`). naifu leaves out an image of which it cannot read the header, with a line among others on the
screen. A web page with a picture's name is what many sites send in the place of a picture that is gone. In
raw this is a warning, since the filtered stage drops such images.

## Example

```
aria/image1.jpg     <!doctype html><title>404 Not Found</title>
```

## Use instead

```
aria/image1.jpg     fetched again
```

## Fix
None: the picture is not there. Fetch it again, or take it out; nothing that dsk drops is lost.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import undecodable
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that gives no pixels, with the decoder's reason."""
    for image, reason, cure in undecodable(collection, cut_short=False):
        yield Finding(path=image, message=f"cannot be decoded: {reason}", hint=cure, evidence={"reason": reason})


RULE = Rule(
    code="I001",
    name="unreadable-image",
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
        "naifu": Effect("error", "leaves it out or stops at it", "data/image_storage.py, DirectoryImageStore"),
        "dsk": Effect("error", "stops before the first step", "trainer/data/decoding.py, read_size"),
    },
)
