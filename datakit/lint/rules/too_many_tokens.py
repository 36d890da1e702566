"""A caption is longer than what is trained of it.

## What it does
Counts the tokens of CLIP that a caption is, and finds those with more than will be trained: 225 unless the export,
`[lint.training]` or the trainer says 75 or 150. It names the tags that are lost. Without a tokenizer it is silent.

## Why is this bad?
What is past the limit is cut off without a word, in the middle of a tag if need be: sd-scripts and naifu cut at
`max_token_length` (kohya-ss/sd-scripts:library/strategy_base.py, `_get_input_ids`), OneTrainer, SimpleTuner and
ai-toolkit at the 75 tokens of one chunk. The last tags are never learnt, though they are there for all to see, and
what they name goes to the words that are left. Where tags are shuffled, each step loses others.

## Example

```
a caption of 250 tokens, the last of them: …, shoulder bag, blue scarf, rain
```

## Use instead

```
the tags that matter, in 225 tokens
```

## Fix
None: what is worth its tokens is for you to say. `max_tags` and `profile` in `[cleaned]` of a dataset choose and sort.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from datakit.lint.captions import Caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.context import Context
from datakit.lint.facts.tokencounts import WordCounts, trained_text, word_counts, words_of
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.words import listed, shortened


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption that is too long, with its tokens and what is lost."""
    context = collection.context
    if context.tokens is None:
        return
    limit = _limit(context)
    long = [caption for caption in collection.read_captions.values() if _may_be_more(caption.text, limit)]
    if not long:
        return
    counts = word_counts(context.tokens)
    counts.learn(collection.pieces_in_use)
    for caption in long:
        text = trained_text(caption.text)
        number = counts.of(text)
        if number > limit:
            lost = _lost(caption, text, counts=counts, limit=limit)
            loses = "each step loses other tags" if context.training.shuffles else f"lost: {lost}"
            yield Finding(
                path=caption.path,
                message=f"{number} tokens, of which {limit} are trained; {loses}",
                hint="shorten it, or put what matters first",
                evidence={"num_tokens": number, "max_tokens": limit},
            )


def _may_be_more(text: str, limit: int) -> bool:
    """Whether a text may be more tokens: of ASCII each letter is one at most, and blanks are none."""
    return len(text) - text.count(" ") > limit or not text.isascii()


def _limit(context: Context) -> int:
    return min([context.training.max_tokens, *(target.max_tokens for target in context.targets)])


def _lost(caption: Caption, text: str, *, counts: WordCounts, limit: int) -> str:
    """What is past the limit; a tag that the limit goes through is lost too."""
    words = words_of(text)
    ends = counts.ends(text)
    first = next(number for number, end in enumerate(ends) if end > limit)
    if not caption.pieces or _is_in_prose(caption, " ".join(words[first:])):
        return f"all from “{shortened(' '.join(words[first:]))}” on"
    while first and not words[first - 1].endswith(","):
        first -= 1
    tags = [tag for tag in re.split(r",\s*", " ".join(words[first:])) if tag]
    return listed(tags)


def _is_in_prose(caption: Caption, rest: str) -> bool:
    return bool(caption.prose) and len(rest) <= len(" ".join(caption.prose.split()))


RULE = Rule(
    code="T015",
    name="too-many-tokens",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    effects={
        "sd-scripts": Effect(
            "warning",
            "trains the first 75, 150 or 225 tokens, as max_token_length says",
            "library/strategy_base.py, _get_input_ids",
        ),
        "naifu": Effect("warning", "trains the first 75, 150 or 225 tokens, as max_token_length says"),
        "onetrainer": Effect(
            "warning",
            "trains the first 75 tokens",
            "modules/dataLoader/StableDiffusionXLBaseDataLoader.py",
        ),
        "simpletuner": Effect("warning", "trains the first 75 tokens"),
        "ai-toolkit": Effect("warning", "trains the first 75 tokens unless told to read long prompts"),
        "diffusion-pipe": Effect("off", "trains captions of any length", "models/sdxl.py"),
    },
)
