"""An image says of itself that a model generated it.

## What it does
Reads what generators write into their files: AUTOMATIC1111's web UI and its forks, ComfyUI, NovelAI (the
parameters hidden in alpha too), InvokeAI, Fooocus, SwarmUI, Midjourney, and IPTC's mark for generated media.
An image that is not told may be generated all the same: many sites remove metadata.

## Why is this bad?
It is merely worth knowing. A model trained on another's pictures learns its faults, hands before all; in a
scrape such images come unasked. No trainer looks (kohya-ss/sd-scripts:library/train_util.py, `load_image`,
takes the pixels alone). Where the images are meant to be generated, allow this rule.

## Example

```
aria/image1.png     parameters: 1girl … Steps: 20, Sampler: Euler a
```

## Use instead

```
aria/image1.png     drawn or photographed
```

## Fix
None: whether it may stay is for you to say. `[filtered.generated-metadata]` drops them.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, measured
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that a known program marked."""
    hint = cure(
        collection,
        in_dataset="dsk allow generated-image where that is meant; [filtered.generated-metadata] drops them",
        in_folder="take it out, unless that is meant",
    )
    for image, _, found in measured(collection):
        program = found["generator"]
        if program:
            by = "" if program == "other" else f" by {program}"
            yield Finding(
                path=image,
                message=f"its metadata says that it was generated{by}",
                hint=hint,
                evidence={"program": program},
            )


RULE = Rule(
    code="I016",
    name="generated-image",
    group="images",
    severity="info",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
)
