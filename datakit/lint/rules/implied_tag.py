"""A tag stands beside one that implies it.

## What it does
Finds pairs of which one tag says all that the other does, as the vocabulary's implications tell: `very long hair`
and `long hair`, `cat ears` and `animal ears`. Trigger words are left alone, and nothing is said where no file of
implications is in use. A preview: captions of boorus and taggers are full of such pairs.

## Why is this bad?
It often is not. Boorus add what is implied, so the captions that base models were trained with have both, and many
people keep it so. Others take the wider tag out, since it tells nothing new, costs tokens of the 75, 150 or 225 that
are trained (kohya-ss/sd-scripts:library/strategy_base.py, `_get_input_ids`), and lets one trait be learnt by two
words. What harms is a dataset that does now one, now the other.

## Example

```
1girl, cat ears, animal ears, very long hair, long hair
```

## Use instead

```
1girl, cat ears, very long hair
```

## Fix
Unsafe: takes the wider tag out. It can be put back only by those who know the implications. `implications` in
`[cleaned]` of a dataset does the same for all captions, or the opposite.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, own_words, without
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.names import to_prompt


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with such a pair."""
    vocabulary = collection.context.vocabulary
    if not vocabulary.num_implications:
        return
    in_use = collection.tags_in_use.keys() - own_words(collection)

    def judge(tag: str) -> frozenset[str] | None:
        return (vocabulary.implied(tag) & in_use) or None

    for caption, implied in collection.captions_with_tag(judge):
        wider = {other: tag for tag, others in implied.items() for other in sorted(others) if other in caption.tags}
        if wider:
            pairs = listed(f"{to_prompt(other)} by {to_prompt(tag)}" for other, tag in wider.items())
            yield Finding(
                path=caption.path,
                message=f"implied: {pairs}",
                hint="take the wider tag out, or keep such pairs in all captions",
                fixable=can_be_written(caption),
                evidence={"implied": wider},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Take out what is implied."""
    caption = collection.read_captions[finding.path]
    wider = finding.evidence["implied"]
    return without(caption, [number for number, tag in enumerate(caption.tags) if tag in wider])


RULE = Rule(
    code="T006",
    name="implied-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    preview=True,
)
