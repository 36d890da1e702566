"""An image looks like another and has the same caption.

## What it does
Finds images that look the same in another size, recompressed or with little retouched, and names the one
that is worth keeping: the one with more pixels, then the better format. Both perceptual hashes and a grey
picture of 9 x 8 cells have to agree, more closely than dsk duplicates asks by default. Images whose
captions differ are variants (another expression, another hat) and are not told; nor are images that are
nearly one colour, whose hashes say nothing.

## Why is this bad?
The picture trains twice as often as its neighbours, and what a model sees again and again it learns by
heart. No trainer compares pictures: sd-scripts knows them by their paths alone
(kohya-ss/sd-scripts:library/train_util.py, `BaseDataset`). In raw and filtered it is worth knowing only:
dsk duplicates shows the groups, and can drop all but the best of each.

## Example

```
aria/image1.png      1600 x 1200
aria/image1s.jpg     800 x 600, the same picture
```

## Use instead

```
aria/image1.png
```

## Fix
None: look at the two first. dsk duplicates shows what else it knows of them.

## Options
`distance`: bits of the 64 in which the hashes may differ (4). `mirrored`: whether a mirrored image is the
same picture (false: a sprite that looks to the left is not).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import msgspec

from datakit.images.looks import HASHED, MEASURED
from datakit.lint.collection import ALL_STAGES, CONTENT, FOLDER, Collection
from datakit.lint.facts.holdout import is_held_out
from datakit.lint.model import Finding, Rule
from datakit.model.item import CAPTION_EXTENSION, split_path

if TYPE_CHECKING:
    from datakit.images.lookalikes import Picture


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as the same picture."""

    distance: Annotated[int, msgspec.Meta(ge=0, le=8)] = 4
    """Bits of the 64 in which the hashes may differ."""
    mirrored: bool = False
    """Whether a mirrored image is the same picture."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image that looks like a better one; copies to the byte are another rule's."""
    from datakit.images.lookalikes import Limits, group  # loads numpy

    options = collection.context.option(Options)
    limits = Limits(distance=options.distance, mirrored=options.mirrored)
    for held_out in (False, True):
        pictures = _pictures(collection, held_out=held_out)
        for one in group(pictures, limits):
            for like in one.duplicates:
                if max(like.distance, like.dhash_distance) <= options.distance:
                    yield Finding(
                        path=like.key,
                        message=f"looks like {one.keeper} ({_how(like.distance, mirrored=like.mirrored)})",
                        hint=_cure(collection.stage),
                        evidence={"like": one.keeper, "distance": like.distance, "mirrored": like.mirrored},
                    )


def _how(distance: int, *, mirrored: bool) -> str:
    return f"{distance} of 64 bits differ{', mirrored' if mirrored else ''}"


def _cure(stage: str) -> str:
    if stage == FOLDER:
        return "look at both, and keep the better one"
    return f"dsk duplicates --stage {stage} shows the group; with --drop it keeps the best"


def _pictures(collection: Collection, *, held_out: bool) -> list[Picture]:
    """The images that are trained, or those that are not, with different bytes."""
    from datakit.images.hashes import from_facts
    from datakit.images.lookalikes import Picture

    found: dict[str, Picture] = {}
    for image in collection.images:
        digest = str(collection.looked(image, CONTENT).get("sha256", image))
        if is_held_out(image) is not held_out or digest in found:
            continue
        hashes = from_facts(collection.looked(image, HASHED))
        if hashes is not None:
            facts = collection.facts(image)
            caption = collection.read_captions.get(f"{split_path(image)[0]}.{CAPTION_EXTENSION}")
            found[digest] = Picture(
                key=image,
                hashes=hashes,
                size_px=facts.size_px,
                format=facts.format,
                tags=frozenset(caption.tags) | frozenset(filter(None, [caption.prose])) if caption else frozenset(),
            )
    return list(found.values())


RULE = Rule(
    code="D003",
    name="near-duplicate",
    group="dataset",
    severity="warning",
    severity_in={"raw": "info", "filtered": "info"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED, HASHED, CONTENT),
    options=Options,
)
