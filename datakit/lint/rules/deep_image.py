"""An image has more than 8 bits a channel.

## What it does
Finds colour images of 16 bits a channel. Deep greys, of which trainers make white, are told by clipped-grey.

## Why is this bad?
It is merely worth knowing: 8 bits train, whatever the file holds (Pillow reads 16-bit colour as 8-bit;
kohya-ss/sd-scripts:library/train_util.py, `load_image`). The file is two to four times as large as what
trains, and some viewers and scripts take it for darker or lighter than it is. The edited stage converts such
images.

## Example

```
aria/render.png     RGB, 16 bits a channel, 12 MB
```

## Use instead

```
aria/render.png     RGB, 8 bits a channel, 4 MB
```

## Fix
None here: run dsk edit, which rounds to 8 bits.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, is_clipped, readable
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image with more bits than train."""
    hint = cure(collection, in_dataset="dsk edit rounds it to 8 bits", in_folder="save it with 8 bits a channel")
    for image, facts in readable(collection):
        if facts.bits > 8 and not is_clipped(facts.mode):
            yield Finding(
                path=image,
                message=f"has {facts.bits} bits a channel; 8 of them train",
                hint=hint,
                evidence={"bits": facts.bits},
            )


RULE = Rule(
    code="I010",
    name="deep-image",
    group="images",
    severity="info",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
)
