"""Several tags of a caption cannot be true together.

## What it does
Finds pairs that exclude each other by Danbooru's own definitions: two counts of the same people (`1girl` and
`2girls`), `solo` beside several people, `no humans` beside people, `lowres` beside `highres`; and what you say
excludes each other, under Options or by `exclusive` in `[cleaned]` of a dataset. What is merely rare is no
contradiction: `long hair` and `short hair` may be two people, `1girl` and `1boy` are.

## Why is this bad?
One of the two is wrong, and which of them is said of the picture is learnt all the same: words of opposite meaning
are drawn together. Trainers compare no tags (kohya-ss/sd-scripts:library/train_util.py, `process_caption`). Such
captions come from taggers that are unsure, from captions that were merged, and from crops: one person was cut out of
a picture of two.

## Example

```
aria, 1girl, 2girls, solo
```

## Use instead

```
aria, 1girl, solo
```

## Fix
None: only the picture tells which is right. `conflicts = "drop-weaker"` in `[cleaned]` of a dataset chooses for you.

## Options
`exclusive`: more rows of tags of which an image has one at most, as in `exclusive = [["day", "night"]]`.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed
from datakit.tags.exclusive import conflicts, rivals_of
from datakit.tags.names import to_canonical, to_prompt


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of conflicting-tags."""

    exclusive: tuple[tuple[str, ...], ...] = ()
    """More rows of tags of which an image has one at most."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with such a pair."""
    rows = collection.context.option(Options).exclusive
    rivals = rivals_of([tuple(map(to_canonical, row)) for row in rows])
    in_use = frozenset(tag for tag in rivals if tag in collection.tags_in_use)

    def judge(tag: str) -> bool | None:
        return True if tag in in_use and not in_use.isdisjoint(rivals[tag]) else None

    for caption, suspects in collection.captions_with_tag(judge):
        if len(suspects) > 1 and (found := conflicts(suspects, rivals)):
            pairs = listed(f"{to_prompt(one)} and {to_prompt(other)}" for one, other in found)
            yield Finding(
                path=caption.path,
                message=f"cannot both be true: {pairs}",
                hint="look at the picture, and take one of them out",
                evidence={"pairs": found},
            )


RULE = Rule(
    code="T007",
    name="conflicting-tags",
    group="tags",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    options=Options,
)
