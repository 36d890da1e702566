"""A caption is named after the image's whole file name.

## What it does
Finds `k.png.txt` beside `k.png`: the caption's name has the image's extension in it. Where an image
`k.png.png` lies there, `k.png.txt` is its caption and right.

## Why is this bad?
gallery-dl and other downloaders write what they know of `k.png` into `k.png.txt`. Trainers cut the image's
extension off and look for `k.txt` (kohya-ss/sd-scripts:library/train_util.py, `read_caption`; the others
do the same), so the image trains without its caption, with most of them in silence. Where `k.txt` is there
too, one of the two is stale, and what stands in the other is lost.

## Example

```
aria/k.png
aria/k.png.txt
```

## Use instead

```
aria/k.png
aria/k.txt
```

## Fix
Safe: renames the caption where the image has none, and where no other image or caption has that stem.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.sidecars import WITHOUT_CAPTION, misnamed, renamed
from datakit.lint.model import Finding, Rule
from datakit.model.item import stem_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; its evidence has the path that it would be read at."""
    for one in misnamed(collection):
        if not one.is_double:
            continue
        image, name = stem_of(one.images[0]), stem_of(one.wanted)
        fixable = one.is_alone and not one.is_spare
        if one.is_spare:
            problem, cure = f"named after {image}, which has {name}", "compare the two captions, keep one"
        else:
            problem = f"named after {image}: trainers look for {name}"
            cure = f"give each image a stem of its own, and rename the caption to {name}"
        yield Finding(
            path=one.path,
            message=f"caption {problem}",
            hint=f"dsk lint --fix renames it to {name}" if fixable else cure,
            fixable=fixable,
            evidence={"wanted": one.wanted},
        )


RULE = Rule(
    code="P006",
    name="double-extension-caption",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    check=check,
    fix=renamed,
    fix_safety="safe",
    effects={**WITHOUT_CAPTION},
)
