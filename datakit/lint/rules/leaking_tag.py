"""A tag is seen in many images and missing from their captions.

## What it does
Holds what the taggers of `[captioned]` saw against the captions of wip, and tells of tags with a score of
0.75 and more that at least two images and one of twenty lack. Only scores that are remembered count: lint
runs no model, and says nothing where none was run. What a blacklist or the pruning of traits leaves out,
what people took out by hand, what another tag implies and what is told in a sentence is no leak.

## Why is this bad?
A caption says what may change. What is in the picture and not in the caption goes to the words that are
there, most of all to the trigger: the object that nobody named appears in every picture that the trigger
calls. sd-scripts and all others train on the caption alone (kohya-ss/sd-scripts:library/train_util.py,
`process_caption`). Where the object is a trait of the concept, that is wanted: prune it, and lint is
silent.

## Example

```
wip/aria/image1.txt     aria, 1girl, smile               a choker is seen with 0.97
wip/aria/image2.txt     aria, 1girl, hat                 … with 0.93
```

## Use instead

```
wip/aria/image1.txt     aria, 1girl, smile, choker
wip/aria/image2.txt     aria, 1girl, hat, choker
```

## Fix
None here: dsk find leaks --fix TAG adds it where it is seen; dsk find leaks --items shows where.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import Collection
from datakit.lint.model import Finding, Rule
from datakit.model.item import split_path
from datakit.tags.seeing import by_tag, leaking, said_by

_LEAST_IMAGES: Final = 2
_LEAST_SHARE: Final = 1 / 20
_MOST: Final = 20
"""Tags that are told; `dsk find leaks` has all."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each tag, those of most images first."""
    if collection.scores is None:
        return
    items: dict[str, dict[str, float]] = {}
    for image in collection.images:
        taken = collection.scores(image)
        if taken is not None:
            key = split_path(image)[0]
            items[key] = leaking(said_by(_caption(collection, key), collection.relations), taken, collection.relations)
    least = max(_LEAST_IMAGES, _LEAST_SHARE * len(items))
    rows = [row for row in by_tag(items) if row.num_images >= least]
    for row in rows[:_MOST]:
        yield Finding(
            path="",
            message=f"{row.tag} is seen in {row.num_images} of {len(items)} images and not in their captions "
            f"(score {row.mean_score:.2f}), as in {row.samples[0]}",
            hint=f"dsk find leaks --fix {row.tag}, or prune it where it is a trait of the concept",
            evidence={"tag": row.tag, "num_images": row.num_images, "mean_score": row.mean_score},
        )


def _caption(collection: Collection, key: str) -> str:
    """An item's caption; '' where it has none."""
    paths = collection.captions_of.get(key, ())
    return collection.read_captions[paths[0]].text if paths and paths[0] in collection.read_captions else ""


RULE = Rule(
    code="D001",
    name="leaking-tag",
    group="dataset",
    severity="warning",
    stages=("wip",),
    check=check,
)
