"""A caption has a tag twice.

## What it does
Finds tags that come again, whatever their spelling: `long hair` and `Long_Hair` are one. Captions of several
lines with several tags each are compared line by line, since trainers take such lines for captions of their own.

## Why is this bad?
The second one takes tokens of the 75 to 225 that there are, tells nothing, and weighs the tag more than the
others. Where tags are dropped at random (kohya-ss/sd-scripts:library/train_util.py, `caption_tag_dropout_rate`),
a tag that comes twice is hardly ever left out. It mostly comes from a tagger that ran twice and appended.

## Example

```
aria, 1girl, long hair, smile, long_hair
```

## Use instead

```
aria, 1girl, long hair, smile
```

## Fix
Safe: keeps the first of each and its place.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.captions import Caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, is_tag, lines_of, without
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.vocabulary.known import Vocabulary


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    vocabulary = collection.context.vocabulary
    for caption in collection.read_captions.values():
        tags = caption.tags
        if len(set(tags)) == len(tags):
            continue
        again = _again(caption, vocabulary)
        if again:
            yield Finding(
                path=caption.path,
                message=f"said twice: {listed(dict.fromkeys(caption.pieces[number] for number in again))}",
                hint="dsk lint --fix keeps the first of each",
                fixable=can_be_written(caption),
                evidence={"tags": list(dict.fromkeys(tags[number] for number in again))},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Take out those that come again."""
    caption = collection.read_captions[finding.path]
    return without(caption, _again(caption, collection.context.vocabulary))


def _again(caption: Caption, vocabulary: Vocabulary) -> list[int]:
    """Places, in the caption's pieces, of the tags that came before; of prose none."""
    seen: set[tuple[int, str]] = set()
    found = []
    for place, tag in enumerate(zip(lines_of(caption), caption.tags, strict=True)):
        if tag not in seen:
            seen.add(tag)
        elif tag[1] and is_tag(caption.pieces[place], vocabulary):
            found.append(place)
    return found


RULE = Rule(
    code="T004",
    name="duplicate-tag",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("warning", "trains the tag twice", "library/train_util.py, process_caption"),
        "dsk": Effect("warning", "trains the tag twice"),
    },
)
