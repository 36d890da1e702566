"""An image repeats another, byte for byte.

## What it does
Finds image files with the same bytes, in one concept or in several, and names the first of them. What is
held back from training (`val`, `test`, …) is not compared with what is trained: see validation-leak.

## Why is this bad?
The picture trains twice as often as its neighbours, which no setting shows and nobody meant: sd-scripts
counts each file as an image of its own (kohya-ss/sd-scripts:library/train_util.py,
`DreamBoothDataset`), and so do the others. Where the two captions differ, the model is told two things
of one picture. In raw this is worth knowing only, since the filtered stage drops such images.

## Example

```
aria/image1.png
aria/image1 (1).png     the same bytes
```

## Use instead

```
aria/image1.png
```

## Fix
None: which name and which caption should stay is for you to see. To weigh an image more, set repeats.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, CONTENT, FOLDER, Collection
from datakit.lint.facts.holdout import is_held_out
from datakit.lint.model import Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, split_path


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image but the first of those with the same bytes."""
    first: dict[tuple[str, bool], str] = {}
    for image in collection.images:
        digest = str(collection.looked(image, CONTENT).get("sha256", ""))
        if not digest:
            continue
        original = first.setdefault((digest, is_held_out(image)), image)
        if original != image:
            yield Finding(
                path=image,
                message=f"the same bytes as {original}{_contrast(collection, image, original)}",
                hint=_cure(collection.stage, image),
                evidence={"same_as": original, "sha256": digest},
            )


def _contrast(collection: Collection, image: str, original: str) -> str:
    texts = [collection.read_captions.get(f"{split_path(one)[0]}.{CAPTION_EXTENSION}") for one in (image, original)]
    own, other = texts
    return ", with another caption" if own and other and own.text.strip() != other.text.strip() else ""


def _cure(stage: str, image: str) -> str:
    if stage == FOLDER:
        return "keep one of them; to weigh an image more, set repeats"
    return "dsk filter drops it" if stage == "raw" else f"dsk drop {split_path(image)[0]}, or the other"


RULE = Rule(
    code="D002",
    name="exact-duplicate",
    group="dataset",
    severity="warning",
    severity_in={"raw": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(CONTENT,),
)
