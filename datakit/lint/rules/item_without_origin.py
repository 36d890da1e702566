"""An item of a later stage is not in raw.

## What it does
Finds images that lie in a stage's folder and have no item of their name in raw, nor are derived from one
as crops and frames are. Somebody put them there by hand.

## Why is this bad?
Nothing is known of them: no source, no record, no licence. No filter or edit has seen them, so that they
skip what every other image went through, and when their stage is made anew from nothing they are not in
it. They train all the same (kohya-ss/sd-scripts:library/train_util.py, `glob_images`, takes every image of
a folder).

## Example

```
wip/aria/new.png     copied there by hand
```

## Use instead

```
raw/aria/new.png     imported, and carried on by dsk advance
wip/aria/new.png
```

## Fix
None: import the file, then dsk advance brings it through every stage.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each such item, at its first image."""
    state = collection.context.state
    if state is None or state.origins is None:
        return
    origins = state.origins()
    for key, images in collection.images_of.items():
        if key not in origins:
            yield Finding(
                path=images[0],
                message="is not in raw: no stage before made it, and nothing is known of it",
                hint=f"dsk import {collection.stage}/{images[0]}, then dsk advance",
            )


RULE = Rule(
    code="D011",
    name="item-without-origin",
    group="dataset",
    severity="warning",
    stages=tuple(stage for stage in ALL_STAGES if stage not in ("raw", FOLDER)),
    last_only=True,
    check=check,
)
