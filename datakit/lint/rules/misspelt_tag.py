"""A tag is probably a misspelling.

## What it does
Finds tags that the vocabulary does not know and that are one slip away from a tag of many posts: one letter left
out, added or exchanged, or two neighbours swapped. Trigger words, names of folders, words of models (`score_9`),
names of fewer than five letters, and tags that many captions share are left alone: what stands in many captions was
meant.

## Why is this bad?
Trainers know no tags; they train the letters (kohya-ss/sd-scripts:library/train_util.py, `process_caption`).
`blue eys` becomes other tokens than `blue eyes`: the trait is learnt by a word that nobody will type, and the
picture is missing where the right word is learnt.

## Example

```
aria, 1girl, blue eys, lnog hair
```

## Use instead

```
aria, 1girl, blue eyes, long hair
```

## Fix
Unsafe: writes the tag that is most probably meant; of several equally near the one of most posts. Where it is there
already, the first place of the two stays.

## Options
`min_posts`: posts that the meant tag has at least; 1,000 by default. `max_captions`: a tag of more captions was
meant; 3 by default, or two of a hundred where that is more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import msgspec

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written
from datakit.lint.facts.renaming import renamed
from datakit.lint.facts.unknown import unknown_tags
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.names import to_prompt
from datakit.tags.typos import NameIndex
from datakit.tags.vocabulary.known import Vocabulary

_SHORTEST = 5
_FEW_SHARE = 1 / 50


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of misspelt-tag."""

    min_posts: int = 1000
    """Posts that the meant tag has at least."""
    max_captions: int = 3
    """A tag of more captions was meant, unless they are two of a hundred at most."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with a misspelling."""
    options = collection.context.option(Options)
    most = max(options.max_captions, int(_FEW_SHARE * len(collection.captions)))
    rare = [
        tag for tag in unknown_tags(collection) if len(tag) >= _SHORTEST and len(collection.tags_in_use[tag]) <= most
    ]
    meant = _meant(rare, collection.context.vocabulary, options.min_posts) if rare else {}
    for caption, names in collection.captions_with_tag(meant.get):
        pairs = listed(f"{to_prompt(tag)}, perhaps {to_prompt(name)}" for tag, name in names.items())
        yield Finding(
            path=caption.path,
            message=f"probably misspelt: {pairs}",
            hint="correct it; dsk lint --fix --unsafe-fixes writes the tag that is meant",
            fixable=can_be_written(caption),
            evidence={"names": names},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the tags that are meant."""
    return renamed(collection.read_captions[finding.path], finding.evidence["names"])


def _meant(tags: Sequence[str], vocabulary: Vocabulary, min_posts: int) -> dict[str, str]:
    index = _index(vocabulary, min_posts)
    found = {}
    for tag in tags:
        near = [one.name for one in index.near(tag) if one.distance == 1]
        if near:
            found[tag] = min(near, key=lambda name: (-vocabulary.count(name), name))
    return found


@lru_cache(maxsize=2)
def _index(vocabulary: Vocabulary, min_posts: int) -> NameIndex:
    """The names of many posts; the vocabulary has the most used first."""
    names = vocabulary.names()
    low, high = 0, len(names)
    while low < high:
        middle = (low + high) // 2
        low, high = (middle + 1, high) if vocabulary.count(names[middle]) >= min_posts else (low, middle)
    return NameIndex(names[:low])


RULE = Rule(
    code="T008",
    name="misspelt-tag",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    options=Options,
)
