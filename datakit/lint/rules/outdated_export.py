"""An export is older than wip.

## What it does
Tells the export formats that were written before wip, or their settings, changed. Formats that were never
written are not told.

## Why is this bad?
The trainer is pointed at the export's folder, not at wip: it trains the captions of before, without a
word. What it has cached from them stays as well, since most caches are named after the file
(kohya-ss/sd-scripts:library/train_util.py, `cache_latents`).

## Example

```
wip/aria/image1.txt                     changed today
export/kohya/10_aria/image1.txt         written yesterday
```

## Use instead

```
wip/aria/image1.txt                     changed today
export/kohya/10_aria/image1.txt         written since
```

## Fix
None here: dsk export writes it again.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import Collection
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each format, for wip as a whole."""
    state = collection.context.state
    for name, reason in sorted(state.stale_exports.items()) if state is not None else ():
        yield Finding(
            path="",
            message=f"export {name} is out of date: {reason}",
            hint=f"dsk export --format {name}",
            evidence={"format": name, "reason": reason},
        )


RULE = Rule(
    code="D012",
    name="outdated-export",
    group="dataset",
    severity="warning",
    stages=("wip",),
    check=check,
)
