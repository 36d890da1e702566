"""Several images share one caption.

## What it does
Finds images of one folder that differ only in their extension, so that one caption file is the caption
of all.

## Why is this bad?
Trainers make the caption's name from the image's stem: `a.jpg` and `a.png` both train with `a.txt`,
whichever picture it describes (kohya-ss/sd-scripts:library/train_util.py, `read_caption`; OneTrainer,
SimpleTuner, ai-toolkit, diffusion-pipe and naifu do the same). Caches of latents are named after the
stem as well, so one picture may train with the other's. In a dataset the stem is the item's name, and
one item has one image.

## Example

```
aria/image1.jpg
aria/image1.png
aria/image1.txt
```

## Use instead

```
aria/image1.jpg
aria/image1.txt
aria/image1-b.png
aria/image1-b.txt
```

## Fix
None: which of the pictures the caption describes, and whether both are wanted, is for you to see.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.model import Effect, Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each stem, at its first image."""
    for key, images in collection.images_of.items():
        if len(images) < 2:
            continue
        names = [stem_of(image) for image in images]
        yield Finding(
            path=images[0],
            message=f"shares the caption {stem_of(key)}.{CAPTION_EXTENSION} with {', '.join(names[1:])}",
            hint="keep one of the images, or give each a stem and a caption of its own",
            evidence={"images": images},
        )


RULE = Rule(
    code="P004",
    name="shared-caption",
    group="pairs",
    severity="error",
    stages=ALL_STAGES,
    check=check,
    effects={
        "sd-scripts": Effect(
            "error", "trains both with one caption and one cache", "library/train_util.py, read_caption"
        ),
        "dsk": Effect("error", "trains both with one caption and notes it", "trainer/data/items.py"),
    },
)
