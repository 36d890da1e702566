"""An item was changed on both sides and nobody has decided.

## What it does
Tells the items of a stage that are in conflict: what a rebuild or a merge made differs from what people
did, in the same place. The file as people left it stays until that is decided.

## Why is this bad?
What would train is one of two answers, chosen by nobody. A caption in conflict may lack the tags that a
new vocabulary brought, or the person's correction; no trainer sees that there is a question
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`, reads what is there).

## Example

```
cleaned/aria/image1.txt     a tag was corrected by hand, and the stage now drops it
```

## Use instead

```
cleaned/aria/image1.txt     as it should be, decided with dsk keep
```

## Fix
None: look at both with dsk why, then dsk keep takes what is there, and with --theirs what the stage made.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import CAPTION_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule
from datakit.model.item import CAPTION_EXTENSION


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each item in conflict, at its image where it has one."""
    state = collection.context.state
    for item, what in sorted(state.conflicts.items()) if state is not None else ():
        yield Finding(
            path=next(iter(collection.images_of.get(item, ())), f"{item}.{CAPTION_EXTENSION}"),
            message=f"changed on both sides and undecided: {what}",
            hint=f"dsk keep {collection.stage}/{item}, or with --theirs take what the stage made",
            evidence={"what": what},
            item=item,
        )


RULE = Rule(
    code="D009",
    name="open-conflict",
    group="dataset",
    severity="error",
    stages=("filtered", "edited", *(stage for stage in CAPTION_STAGES if stage != FOLDER)),
    check=check,
)
