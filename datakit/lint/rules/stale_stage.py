"""A stage is older than what it is made from.

## What it does
Tells a stage that must run again: an earlier stage, its settings in dsk.toml, or a file that it uses, such
as the vocabulary, changed since it ran.

## Why is this bad?
What is linted, exported and trained is yesterday's: an image that was dropped since is still there, and a
tag that was renamed still has its old name. Trainers cannot know
(kohya-ss/sd-scripts:library/train_util.py, `DreamBoothDataset`, takes the files as they are).

## Example

```
raw/aria/image9.png         imported today
filtered/                   ran yesterday
```

## Use instead

```
raw/aria/image9.png         imported today
filtered/aria/image9.png    ran since
```

## Fix
None here: dsk advance runs every stage that is out of date, and keeps what people changed.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for a stage as a whole."""
    state = collection.context.state
    if state is not None and state.stale:
        yield Finding(
            path="",
            message=f"out of date: {state.stale}",
            hint=f"dsk advance {collection.stage}",
            evidence={"reason": state.stale},
        )


RULE = Rule(
    code="D010",
    name="stale-stage",
    group="dataset",
    severity="warning",
    stages=tuple(stage for stage in ALL_STAGES if stage not in ("raw", FOLDER)),
    check=check,
)
