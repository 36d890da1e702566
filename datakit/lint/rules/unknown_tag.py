"""A tag is in no vocabulary.

## What it does
Finds tags that the vocabulary does not know, and tells them for the folder as a whole, those of most captions first,
twenty at most. Trigger words, names of folders, words of models (`masterpiece`, `score_9`), and pieces of five words
and more are left alone. A preview: words of one's own are no mistake.

## Why is this bad?
A base model knows the tags that it was trained with. A word that it does not know starts from nothing: it needs many
pictures to be learnt, and takes what is in all of them. Wanted of a trigger, it is seldom wanted of `sholder bag`.
Trainers train any word without a question (kohya-ss/sd-scripts:library/train_util.py, `process_caption`).

## Example

```
aria, 1girl, leather shoulder pouch thing
```

## Use instead

```
aria, 1girl, shoulder bag
```

## Fix
None: what was meant is for you to say. See misspelt-tag for those that are one slip away from a known one.

## Options
`most`: how many tags are told; 20 by default. `min_captions`: captions that have such a tag at least; 1 by default.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.unknown import unknown_tags
from datakit.lint.model import Finding, Rule
from datakit.lint.words import counted, shortened


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of unknown-tag."""

    most: int = 20
    """Tags that are told."""
    min_captions: int = 1
    """Captions that have such a tag at least."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each tag, those of most captions first."""
    options = collection.context.option(Options)
    places = collection.tags_in_use
    found = {tag: piece for tag, piece in unknown_tags(collection).items() if len(places[tag]) >= options.min_captions}
    worst = sorted(found, key=lambda tag: (-len(places[tag]), tag))
    for tag in worst[: options.most]:
        paths = places[tag]
        yield Finding(
            path="",
            message=f"{shortened(found[tag])} is in no vocabulary; {counted(len(paths), 'caption')}, as {paths[0]}",
            hint="use a tag that models know, unless the word is to be learnt",
            evidence={"tag": tag, "num_captions": len(paths), "num_unknown": len(found)},
        )


RULE = Rule(
    code="T009",
    name="unknown-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    options=Options,
    preview=True,
)
