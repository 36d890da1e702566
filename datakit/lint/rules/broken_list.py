"""A list of images names some that are not there.

## What it does
Reads text files that are named like lists (`train.txt`, `val.txt`, `test_1.txt`, …) and have lines that
could be images, and finds lines that name none: as a path from the folder that is linted or from the
list's own, as a file name, or as a name without extension. Lines that begin with `#` are remarks.

## Why is this bad?
Scripts that read lists skip what is not there, so fewer images train or validate than the list says. The
folder-based trainers do not read lists at all: sd-scripts takes every image of a folder
(kohya-ss/sd-scripts:library/train_util.py, `glob_images`), those of `val.txt` included.

## Example

```
val.txt     aria/image1.png
            aria/image2.png, which was renamed
```

## Use instead

```
val.txt     aria/image1.png
            aria/portrait.png
```

## Fix
None: write the list anew, or move what validates into a folder of its own.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.lists import lists_of
from datakit.lint.model import Finding, Rule
from datakit.lint.words import counted, listed


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each list; its evidence has the lines."""
    for one in lists_of(collection):
        if one.missing:
            yield Finding(
                path=one.path,
                message=f"{counted(len(one.missing), 'line')} that name no image here: {listed(one.missing)}",
                hint="write the list anew, or take the lines out",
                evidence={"missing": list(one.missing)},
            )


RULE = Rule(
    code="D015",
    name="broken-list",
    group="dataset",
    severity="warning",
    stages=TRAINED_STAGES,
    check=check,
)
