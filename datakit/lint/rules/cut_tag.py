"""A tag lies across the border of two chunks of tokens.

## What it does
Finds captions of more than 75 tokens in which the 75th or 150th token ends within a tag, and names that tag. It says
nothing where tags are shuffled, for then each step has its borders elsewhere, nor without a tokenizer. A preview: few
captions of that length have no such tag.

## Why is this bad?
CLIP reads 75 tokens at once, and a chunk knows nothing of the one before. Trainers cut at the number, whatever stands
there (kohya-ss/sd-scripts:library/strategy_base.py, `_get_input_ids`): `long | hair` trains as `long` at the end of one
text and `hair` at the beginning of another. Programs that make pictures shift the tag into the next chunk, so it is
asked for otherwise than it was taught.

## Example

```
74 tokens of other tags, then: shoulder bag
```

## Use instead

```
73 tokens of other tags, then: shoulder bag
```

## Fix
None: change the order of the tags, or take one out.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.tokencounts import trained_text, word_counts, words_of
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.tokens import CHUNK

_TAG_END: Final = re.compile(r"\w,\Z", re.ASCII)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with such a tag; prose is no tag."""
    context = collection.context
    if context.tokens is None or context.training.shuffles:
        return
    counts = word_counts(context.tokens)
    for caption in collection.read_captions.values():
        text = trained_text(caption.listed)
        if len(text) <= CHUNK or "\n" in text:
            continue
        ends = counts.ends(text)
        if ends[-1] > CHUNK and (cut := _cut_tags(words_of(text), ends, context.training.max_tokens)):
            yield Finding(
                path=caption.path,
                message=f"cut between two chunks of {CHUNK} tokens: {listed(cut)}",
                hint="change the order of the tags, or take one out",
                evidence={"tags": cut, "num_tokens": ends[-1]},
            )


def _cut_tags(words: Sequence[str], ends: Sequence[int], most: int) -> list[str]:
    """The tags that a border goes through; the one at the last border is lost, which is another rule's."""
    found = []
    for border in range(CHUNK, min(ends[-1], most), CHUNK):
        number = bisect_left(ends, border)
        over = ends[number] - border
        is_at_end = words[number].endswith(",") and (
            over == 0 or (over == 1 and _TAG_END.search(words[number]) is not None)
        )
        if not is_at_end:
            found.append(_tag_at(words, number))
    return found


def _tag_at(words: Sequence[str], number: int) -> str:
    """The tag that a word belongs to."""
    first = last = number
    while first and not words[first - 1].endswith(","):
        first -= 1
    while last < len(words) - 1 and not words[last].endswith(","):
        last += 1
    return " ".join(words[first : last + 1]).rstrip(",")


RULE = Rule(
    code="T016",
    name="cut-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    effects={
        "sd-scripts": Effect("info", "cuts at every 75th token", "library/strategy_base.py, _get_input_ids"),
        "naifu": Effect("info", "cuts at every 75th token"),
        "diffusion-pipe": Effect("info", "cuts at every 75th token", "models/sdxl.py"),
        "onetrainer": Effect("off", "trains the first chunk alone"),
        "simpletuner": Effect("off", "trains the first chunk alone"),
    },
    preview=True,
)
