"""A validation set shows one concept of several.

## What it does
Looks at what is held back from training, in folders (`val/aria`, `test`, …) or by a list (`val.txt`), and
tells when all of it is of one concept although several are trained. Images that lie directly in `val`
could be of any concept, and are not judged.

## Why is this bad?
The validation loss then says how that one concept does, and the others may overfit unseen. sd-scripts
computes one loss over all that validates (kohya-ss/sd-scripts:train_network.py, `validation_split`).

## Example

```
train/aria/, train/rei/
val/aria/
```

## Use instead

```
train/aria/, train/rei/
val/aria/, val/rei/
```

## Fix
None: hold back a few images of each concept.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import TRAINED_STAGES, Collection
from datakit.lint.facts.holdout import is_held_out, trained_concept
from datakit.lint.facts.lists import lists_of
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed
from datakit.model.item import concept_of


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the folders, at the collection, and one for each list."""
    concepts = {concept_of(image) for image in collection.images} - {""}
    if len(concepts) < 2:
        return
    held = [image for image in collection.images if is_held_out(image)]
    trained = {concept_of(image) for image in collection.images if not is_held_out(image)} - {""}
    shown = {trained_concept(image) for image in held}
    names = {_last(concept) for concept in trained}
    if len(shown) == 1 and len(names) > 1 and (name := _last(next(iter(shown)))) in names:
        yield _finding("", name, trained)
    for one in lists_of(collection):
        listed_concepts = {concept_of(image) for image in one.images} - {""}
        if one.is_held_out and len(listed_concepts) == 1:
            yield _finding(one.path, next(iter(listed_concepts)), concepts)


def _last(concept: str) -> str:
    return concept.rpartition("/")[2]


def _finding(path: str, shown: str, concepts: set[str]) -> Finding:
    return Finding(
        path=path,
        message=f"validates {shown} alone, of {len(concepts)} concepts ({listed(sorted(concepts))})",
        hint="hold back a few images of each concept",
        evidence={"shown": shown, "concepts": sorted(concepts)},
    )


RULE = Rule(
    code="D016",
    name="unstratified-validation",
    group="dataset",
    severity="info",
    stages=TRAINED_STAGES,
    check=check,
)
