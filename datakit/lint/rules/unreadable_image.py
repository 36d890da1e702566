"""An image cannot be decoded.

## What it does
Finds images that are truncated, damaged, empty, not images at all, or larger than is decoded. All
pixels are read, not only the header.

## Why is this bad?
sd-scripts reads only headers when it sorts images into buckets, so a truncated file stops the run when
its turn comes, after the latents of the images before it (kohya-ss/sd-scripts:library/train_util.py,
`load_image`). Loaders that tolerate truncation fill the missing part with grey, and the grey is learnt.
In raw this is a warning, since the filtered stage drops such images.

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

from datakit.lint.model import ALL_STAGES, Collection, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that gives no pixels, with the decoder's reason."""
    cure = "fetch it again; else dsk filter drops it" if collection.stage == "raw" else "fetch it again, or take it out"
    for image in collection.images:
        if reason := collection.facts(image).unreadable:
            yield Finding(
                path=image,
                message=f"cannot be decoded: {reason}",
                hint=cure,
                evidence={"reason": reason},
            )


RULE = Rule(
    code="I001",
    name="unreadable-image",
    group="images",
    severity="error",
    severity_in={"raw": "warning"},
    stages=ALL_STAGES,
    check=check,
)
