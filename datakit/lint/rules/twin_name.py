"""An item has a name that some disks take for another's.

## What it does
Finds items whose names differ only in case (`A.png`, `a.png`), or in how an accented letter is written in
Unicode (é as one character or as two).

## Why is this bad?
Windows and macOS, and cloud drives behind them, have room for one of the two: whichever is copied last
replaces the other, and the picture is left with the wrong caption, or none. Trainers compare names as
written, so the same dataset trains differently on two machines
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`).

## Example

```
aria/Image1.png
aria/image1.png
```

## Use instead

```
aria/image1-b.png
aria/image1.png
```

## Fix
None: give one of them another name; in a dataset dsk mv does so in every stage at once.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed
from datakit.model.item import stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each item but the first of those with one name."""
    first: dict[str, str] = {}
    for key, images in collection.images_of.items():
        twin = first.setdefault(_folded(key), key)
        if twin != key:
            yield Finding(
                path=images[0],
                message=f"differs from {listed([twin])} only in {_difference(key, twin)}",
                hint=f"dsk mv {key} {stem_of(key)}-b" if collection.stage != FOLDER else "give one another name",
                evidence={"twin": twin},
            )


def _folded(key: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", key).casefold())


def _difference(key: str, twin: str) -> str:
    same_form = unicodedata.normalize("NFC", key) == unicodedata.normalize("NFC", twin)
    return "how its letters are encoded" if same_form else "case"


RULE = Rule(
    code="D007",
    name="twin-name",
    group="dataset",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
)
