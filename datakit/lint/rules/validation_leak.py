"""An image that validates is trained as well.

## What it does
Finds images below a folder named `val`, `valid`, `validation`, `test` or `eval`, in any case, that are also
among the other images: with the same bytes, or as the same picture in another size or recompression. Pictures
that look the same to hashes, and whose captions differ but have half of their tags or more in common, are variants,
as sprites with other expressions are, and are not told.

## Why is this bad?
A validation loss says how the model does on what it never saw; with a picture that it trains on, it falls
while the model only learns by heart, and the run that looks best is the one that overfits most. sd-scripts
(kohya-ss/sd-scripts:library/train_util.py, `split_train_val`) and OneTrainer take the validation folder as
it is; neither looks whether its pictures are elsewhere too.

## Example

```
train/aria/image1.png
val/aria/image7.png     the same picture
```

## Use instead

```
train/aria/image1.png
val/aria/image8.png     seen nowhere else
```

## Fix
None: whether the picture should train or validate is for you to say.

## Options
`distance`: bits of the 64 in which the hashes of the same picture may differ (4); 0 for nearly only copies.
`variants`: whether variants are told too (false).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import msgspec

from datakit.images.looks import HASHED
from datakit.lint.collection import ALL_STAGES, CONTENT, Collection
from datakit.lint.facts.holdout import is_held_out
from datakit.lint.model import Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, split_path

if TYPE_CHECKING:
    from datakit.images.hashes import Hashes


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as the same picture."""

    distance: Annotated[int, msgspec.Meta(ge=0, le=8)] = 4
    """Bits of the 64 in which the hashes may differ."""
    variants: bool = False
    """Whether pictures that look the same count where their captions tell them apart."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that is held back and trained."""
    held = [image for image in collection.images if is_held_out(image)]
    trained = [image for image in collection.images if not is_held_out(image)]
    if not held or not trained:
        return
    copies = {_digest(collection, image): image for image in reversed(trained)}
    unlike = []
    for image in held:
        if copy := copies.get(_digest(collection, image)):
            yield _finding(image, copy, how="the same bytes")
        else:
            unlike.append(image)
    for image, like in _lookalikes(collection, unlike, trained):
        yield _finding(image, like, how="the same picture")


def _are_variants(collection: Collection, image: str, other: str) -> bool:
    """Whether two captions differ, and have much in common."""
    one, two = (_tags(collection, path) for path in (image, other))
    both = len(one & two)
    return one != two and both > 0 and 2 * both >= len(one | two)


def _tags(collection: Collection, image: str) -> frozenset[str]:
    caption = collection.read_captions.get(f"{split_path(image)[0]}.{CAPTION_EXTENSION}")
    return frozenset(caption.tags) if caption else frozenset()


def _digest(collection: Collection, image: str) -> str:
    return str(collection.looked(image, CONTENT).get("sha256", image))


def _finding(image: str, other: str, *, how: str) -> Finding:
    return Finding(
        path=image,
        message=f"validates, and is trained as {other}: {how}",
        hint="take one of the two out",
        evidence={"trained_as": other},
    )


def _lookalikes(collection: Collection, held: Sequence[str], trained: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(held back, the first image of the training that looks the same)."""
    import numpy as np

    from datakit.images.lookalikes import Limits, alike
    from datakit.images.similar import Index

    options = collection.context.option(Options)
    limits = Limits(distance=options.distance, mirrored=False)
    asked, known = _hashed(collection, held), _hashed(collection, trained)
    index = Index(np.array([one.phash for _, one in known], np.uint64), limits.distance)
    near: dict[int, list[int]] = {}
    for left, right in index.near(np.array([one.phash for _, one in asked], np.uint64)):
        for number, candidate in zip(left.tolist(), right.tolist(), strict=True):
            near.setdefault(number, []).append(candidate)
    for number, candidates in sorted(near.items()):
        image, hashes = asked[number]
        candidates.sort()
        agree = alike(hashes, [known[one][1] for one in candidates], limits)
        same = (known[one][0] for one, is_like in zip(candidates, agree.tolist(), strict=True) if is_like)
        told = (other for other in same if options.variants or not _are_variants(collection, image, other))
        if (first := next(told, "")) != "":
            yield image, first


def _hashed(collection: Collection, images: Sequence[str]) -> list[tuple[str, Hashes]]:
    from datakit.images.hashes import from_facts

    found = ((image, from_facts(collection.looked(image, HASHED))) for image in images)
    return [(image, hashes) for image, hashes in found if hashes is not None]


RULE = Rule(
    code="D004",
    name="validation-leak",
    group="dataset",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(HASHED, CONTENT),
    options=Options,
)
