"""A concept trains much more often than another.

## What it does
Counts for each folder of images how often an epoch shows them (images times repeats) and tells when the
most is more than three times the least, with the repeats that would even it out. Repeats are those of the
export's settings, else those of a folder name such as `10_aria`. What is held back from training (`val`,
`test`, …) does not count.

## Why is this bad?
A concept with 20 images beside one with 400 gets a twentieth of the steps: the large one is overtrained
before the small one is learnt, and shows through in its pictures. Trainers show what they are given:
sd-scripts takes the number before a folder's name (kohya-ss/sd-scripts:library/config_util.py,
`generate_dreambooth_subsets_config_by_subdirs`), and evens nothing out.

## Example

```
aria/     400 images, once
rei/      20 images, once
```

## Use instead

```
aria/     400 images, once
rei/      20 images, 20 times
```

## Fix
None: repeats are set where you train, and perhaps one concept should weigh more.

## Options
`factor`: how much more often a concept may train than another (3).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from datakit.lint.collection import FOLDER, TRAINED_STAGES, Collection
from datakit.lint.facts.holdout import learnt_by_concept
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """How uneven concepts may be."""

    factor: Annotated[float, msgspec.Meta(ge=1)] = 3.0
    """How much more often a concept may train than another."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the collection; its evidence has each concept's numbers."""
    images = {concept: len(found) for concept, found in learnt_by_concept(collection).items()}
    repeats = {concept: collection.context.repeats_of(concept) for concept in images}
    shown = {concept: images[concept] * repeats[concept] for concept in images}
    if len(shown) < 2:
        return
    most, least = max(shown, key=lambda one: shown[one]), min(shown, key=lambda one: shown[one])
    if shown[most] <= shown[least] * collection.context.option(Options).factor:
        return
    even = {concept: max(1, round(shown[most] / images[concept])) for concept in images}
    told = listed(f"{even[one]} for {_named(one)}" for one in sorted(shown, key=lambda one: shown[one]) if one != most)
    yield Finding(
        path="",
        message=f"an epoch shows {_named(most)} {shown[most]:,} times and {_named(least)} {shown[least]:,} times",
        hint=f"repeats that even it out: {told}{_where(collection.stage)}",
        evidence={
            "concepts": {
                one: {"images": images[one], "repeats": repeats[one], "even": even[one]} for one in sorted(shown)
            }
        },
    )


def _named(concept: str) -> str:
    return concept or "the folder itself"


def _where(stage: str) -> str:
    return "" if stage == FOLDER else ", in dsk.toml"


RULE = Rule(
    code="D005",
    name="concept-imbalance",
    group="dataset",
    severity="warning",
    stages=TRAINED_STAGES,
    check=check,
    options=Options,
)
