"""A tag goes by another name, alias or deprecated.

## What it does
Finds tags that the vocabulary knows as an alias of another one, or as a name that was given up: `blond hair` is
`blonde hair`, `nekomimi` is `cat ears`. Trigger words, names of folders, and words that nobody knows are left
alone; so is everything where no vocabulary is in use.

## Why is this bad?
Base models were trained with one name for one thing. The other one is hardly known to them: what is learnt with it
does not answer to the name that people type, and half of the pictures teach one word, half the other. Trainers know
no aliases and train the words as they stand (kohya-ss/sd-scripts:library/train_util.py, `process_caption`).

## Example

```
aria, 1girl, blond hair, nekomimi
```

## Use instead

```
aria, 1girl, blonde hair, cat ears
```

## Fix
Safe: writes the other name in the tag's place and in the caption's spelling. Where it is there already, the first
place of the two stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, own_words
from datakit.lint.facts.renaming import renamed
from datakit.lint.facts.triggers import concept_words
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed
from datakit.model.item import concept_of
from datakit.tags.names import to_prompt


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with an alias."""
    vocabulary = collection.context.vocabulary
    if not vocabulary.num_aliases:
        return
    own = own_words(collection) | concept_words(map(concept_of, collection.images_of))

    def judge(tag: str) -> str | None:
        name = vocabulary.canonical(tag)
        return None if name == tag or tag in own else name

    for caption, names in collection.captions_with_tag(judge):
        pairs = listed(f"{to_prompt(tag)} is {to_prompt(name)}" for tag, name in names.items())
        yield Finding(
            path=caption.path,
            message=f"alias or deprecated: {pairs}",
            hint="dsk lint --fix writes the name that models know"
            if can_be_written(caption)
            else "write the name that models know",
            fixable=can_be_written(caption),
            evidence={"names": names},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the other names."""
    return renamed(collection.read_captions[finding.path], finding.evidence["names"])


RULE = Rule(
    code="T005",
    name="aliased-tag",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
)
