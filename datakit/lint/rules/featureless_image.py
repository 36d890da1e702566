"""An image has next to nothing in it.

## What it does
Finds images of one colour or nearly so, those without an edge anywhere, those that are transparent all over,
and those that are nearly black or nearly white: of 100 pixels 99 are darker than a quarter, or lighter than
four fifths. Transparent parts do not count. A night scene with one lamp and a drawing on white paper are fine.

## Why is this bad?
The caption trains with an empty picture (kohya-ss/sd-scripts:library/train_util.py, `load_image`, asks for no
content). Such images are placeholders of sites, failed captures, faded pages and frames between two scenes.

## Example

```
aria/image1.png     all black
```

## Use instead

```
(nothing: leave the image out)
```

## Fix
None: fetch the image again, or leave it out. `[filtered.flat]`, `[filtered.too-dark]` and
`[filtered.too-light]` drop such images.

## Options
- `min_entropy_bits` (0.3): how much information a pixel's grey level must hold, 0 to 8.
- `min_lightest` (0.25): how light the lightest hundredth must be, 0 to 1.
- `max_darkest` (0.8): how dark the darkest hundredth must be, 0 to 1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import msgspec

from datakit.images.looks import MEASURED
from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.pictures import cure, measured
from datakit.lint.model import Finding, Rule

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings, `[lint.rules.featureless-image]`."""

    min_entropy_bits: Annotated[float, msgspec.Meta(ge=0, le=8)] = 0.3
    """How much information a pixel's grey level must hold, 0 to 8; as `[filtered.flat]`."""
    min_lightest: Share = 0.25
    """How light the lightest hundredth must be, 0 (black) to 1 (white); as `[filtered.too-dark]`."""
    max_darkest: Share = 0.8
    """How dark the darkest hundredth must be, 0 (black) to 1 (white); as `[filtered.too-light]`."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image in which nothing is to be seen."""
    options = collection.context.option(Options)
    for image, _, found in measured(collection):
        reason, rule = _reason(found, options)
        if reason:
            hint = cure(collection, in_dataset=f"drop it; [filtered.{rule}] finds such images", in_folder="take it out")
            yield Finding(path=image, message=f"next to nothing is in it: {reason}", hint=hint)


def _reason(found: Mapping[str, Any], options: Options) -> tuple[str, str]:
    """(what is wrong, the filter that finds the same); empty where something is to be seen."""
    entropy = found.get("entropy_bits")
    if entropy is None:
        return "all of it is transparent", "flat"
    if entropy < options.min_entropy_bits:
        return f"nearly one colour, {entropy:.2f} bits a pixel", "flat"
    if found["lightest"] < options.min_lightest:
        return f"its lightest pixels are at {found['lightest']:.2f}", "too-dark"
    if found["darkest"] > options.max_darkest:
        return f"its darkest pixels are at {found['darkest']:.2f}", "too-light"
    return ("no edge anywhere", "flat") if found["sharpness"] is None else ("", "")


RULE = Rule(
    code="I019",
    name="featureless-image",
    group="images",
    severity="warning",
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    looks=(MEASURED,),
    options=Options,
)
