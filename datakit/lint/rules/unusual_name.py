"""An image has a name with blanks, signs or letters beyond ASCII.

## What it does
Finds images of which the file name has anything but the letters A to Z, digits, dots, dashes and
underscores in it, or begins with a sign. What some systems cannot hold at all is awkward-name.

## Why is this bad?
Mostly it is not: the trainers of today read such names (kohya-ss/sd-scripts:library/train_util.py,
`glob_images`). They go wrong in command lines without quotes, in zip files written on old Windows, and
where lists of files are kept in another encoding. This rule is a preview: people who want plain names
everywhere turn it on.

## Example

```
aria/image 1 (2).png
aria/桜.png
```

## Use instead

```
aria/image_1_2.png
aria/sakura.png
```

## Fix
None: give it another name, and its caption too; in a dataset dsk mv does so in every stage at once.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import ALL_STAGES, FOLDER, Collection
from datakit.lint.model import Finding, Rule
from datakit.model.item import split_path, stem_of

_PLAIN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SIGN: Final = re.compile(r"[^A-Za-z0-9._-]")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image; its evidence has the signs."""
    for image in collection.images:
        name = stem_of(image)
        if _PLAIN.fullmatch(name):
            continue
        signs = sorted(set(_SIGN.findall(name)))
        told = "blanks" if signs == [" "] else " ".join(sign for sign in signs if sign.isprintable() and sign != " ")
        yield Finding(
            path=image,
            message=f"its name has {told} in it" if told else "its name begins with a sign",
            hint=_cure(collection.stage, image),
            evidence={"signs": signs},
        )


def _cure(stage: str, image: str) -> str:
    return (
        "rename it, and its caption with it" if stage == FOLDER else f"dsk mv {split_path(image)[0]} and a plain name"
    )


RULE = Rule(
    code="D017",
    name="unusual-name",
    group="dataset",
    severity="info",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    preview=True,
)
