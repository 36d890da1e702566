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
name, see orphaned-caption, which renames it.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.model import CAPTION_STAGES, Collection, Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image, also where several share a stem."""
    for key, images in collection.images_of.items():
        caption = f"{key}.{CAPTION_EXTENSION}"
        if caption in collection.held:
            continue
        for image in images:
            yield Finding(
                path=image,
                message=f"no caption: {stem_of(caption)} is not there",
                hint=_cure(collection, key, image),
            )


def _cure(collection: Collection, key: str, image: str) -> str:
    caption = f"{stem_of(key)}.{CAPTION_EXTENSION}"
    for other in (*collection.captions_of.get(key, ()), f"{key}.caption", f"{image}.{CAPTION_EXTENSION}"):
        if other in collection.held:
            return f"rename {stem_of(other)} to {caption}"
    return f"write {caption}, or take the image out"


RULE = Rule(
    code="P001",
    name="missing-caption",
    group="pairs",
    severity="error",
    stages=CAPTION_STAGES,
    check=check,
)
