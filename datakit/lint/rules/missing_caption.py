"""An image has no caption.

## What it does
Finds images of which the caption file, the same name with `.txt`, is not there. It looks where captions
are due: in captioned, cleaned and wip, and in a folder that belongs to no dataset.

## Why is this bad?
Every trainer takes it differently, and most of them in silence. sd-scripts trains the image with the
subset's `class_tokens`, else with an empty prompt after a warning that lists five names
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`); OneTrainer trains an empty prompt without a
word; SimpleTuner stops with FileNotFoundError; diffusion-pipe leaves the image out. Either the image is
lost, or what is peculiar to it is learnt as the meaning of no prompt at all. sd-scripts looks for
`.caption` unless told otherwise, so a whole folder may train without captions.

## Example

```
aria/image1.png
aria/image2.png
aria/image2.txt
```

## Use instead

```
aria/image1.png
aria/image1.txt
aria/image2.png
aria/image2.txt
```

## Fix
None: what is in the picture has to be said by you or a tagger. If the caption is there under another
name, wrong-caption-extension, double-extension-caption or orphaned-caption tells it, and renames it; the
first two in the place of this rule.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.sidecars import WITHOUT_CAPTION, caption_extensions, has_caption, misnamed
from datakit.lint.model import Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image, also where several share a stem."""
    read = caption_extensions(collection)
    told = {image for one in misnamed(collection) for image in one.images}
    for key, images in collection.images_of.items():
        if has_caption(collection, key, read):
            continue
        caption = f"{stem_of(key)}.{CAPTION_EXTENSION}"
        for image in images:
            if image not in told:
                yield Finding(
                    path=image,
                    message=f"no caption: {caption} is not there",
                    hint=f"write {caption}, or take the image out",
                )


RULE = Rule(
    code="P001",
    name="missing-caption",
    group="pairs",
    severity="error",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    effects={**WITHOUT_CAPTION},
)
