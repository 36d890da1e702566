"""A fixed trait is told of one image of a concept alone, or of all but one.

## What it does
Looks at what a concept of ten captions and more says of hair colour, hair length, eye colour and skin, and finds the
one caption that says something else than nine of ten do, the one that says something where no other does, and the one
that lacks what all others have. Where eyes or hair cannot be seen (`closed eyes`, `from behind`), nothing is amiss. A
preview.

## Why is this bad?
Of one person all pictures have the same eyes. A caption that says otherwise is a slip of the tagger, or shows
somebody else. One that alone names the trait was forgotten when the others were pruned; then the trait goes to the
trigger in all pictures but this. Trainers compare no captions (kohya-ss/sd-scripts:library/train_util.py,
`process_caption`).

## Example

```
aria/image1.txt … image19.txt     aria, 1girl, red hair, …
aria/image20.txt                  aria, 1girl, pink hair, hat
```

## Use instead

```
aria/image20.txt                  aria, 1girl, red hair, hat
```

## Fix
None: look at the picture. It may be another costume, which is worth a concept of its own.

## Options
`min_captions`: of a concept that is looked at; 10 by default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from datakit.lint.captions import Caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.triggers import captions_by_concept
from datakit.lint.model import Finding, Rule
from datakit.lint.words import counted
from datakit.tags.names import to_prompt
from datakit.tags.traits import family_of

_FAMILIES: Final = ("hair colour", "hair length", "eyes", "skin")
_MOST: Final = 0.9
_HIDDEN: Final = frozenset(
    (
        *("closed_eyes", "covered_eyes", "hair_over_eyes", "sunglasses", "blindfold", "mask", "helmet", "hood_up"),
        *("from_behind", "no_humans", "faceless", "head_out_of_frame", "lower_body", "silhouette"),
        *("monochrome", "greyscale", "sketch"),
    )
)
"""With these a trait may not be seen."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of lone-tag."""

    min_captions: int = 10
    """Of a concept that is looked at."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each such caption."""
    least = collection.context.option(Options).min_captions
    traits = {tag: family for tag in collection.tags_in_use if (family := _trait(tag))}
    if not traits:
        return
    for captions in captions_by_concept(collection).values():
        if len(captions) >= max(least, 3):
            yield from _lone(captions, traits)


def _trait(tag: str) -> str:
    family = family_of(tag)
    return family if family in _FAMILIES and (family != "eyes" or tag.endswith("_eyes")) else ""


def _lone(captions: Sequence[Caption], traits: dict[str, str]) -> Iterator[Finding]:
    told = Counter(tag for caption in captions for tag in caption.tags if tag in traits)
    counts: dict[str, Counter[str]] = {family: Counter() for family in _FAMILIES}
    for tag, number in told.items():
        counts[traits[tag]][tag] = number
    usual = [family for family in _FAMILIES if _may_be_odd(counts[family], len(captions))]
    if not usual:
        return
    for caption in captions:
        if caption.listed and _HIDDEN.isdisjoint(caption.tags):
            problems = [one for family in usual if (one := _problem(caption, family, (traits, counts), len(captions)))]
            if problems:
                yield Finding(
                    path=caption.path,
                    message="; ".join(problems),
                    hint="look at the picture: a slip, or somebody else",
                    evidence={"num_captions": len(captions)},
                )


def _may_be_odd(counts: Counter[str], num_captions: int) -> bool:
    """Whether one caption can stand alone with, or without, a trait of a family."""
    most = max(counts.values(), default=0)
    has_lone = 1 in counts.values() and (most >= _MOST * num_captions or len(counts) == 1)
    return most == num_captions - 1 or has_lone


def _problem(
    caption: Caption, family: str, known: tuple[dict[str, str], dict[str, Counter[str]]], num_captions: int
) -> str:
    """What is odd about one family of traits in one caption; ''."""
    traits, counts = known
    (usual, number), *_ = counts[family].most_common(1)
    own = [tag for tag in caption.tags if traits.get(tag) == family]
    others = counted(num_captions - 1, "other caption")
    if not own:
        return f"lacks {to_prompt(usual)}, which all {others} have" if number == num_captions - 1 else ""
    lone = [tag for tag in own if counts[family][tag] == 1]
    if not lone or usual in own:
        return "" if not (lone and len(counts[family]) == 1) else f"{to_prompt(lone[0])} is told of this image alone"
    if number >= _MOST * num_captions:
        return f"{to_prompt(lone[0])}, where {number} of {others} say {to_prompt(usual)}"
    return ""


RULE = Rule(
    code="T019",
    name="lone-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    options=Options,
    preview=True,
)
