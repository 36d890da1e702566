"""A caption has wildcards of a prompt.

## What it does
Finds choices, `{red|blue} hair`, and names of lists, `__colour__`. Prose is left as it is, and emoticons such as
`|_|`; brackets that weigh words are found by emphasis-in-caption.

## Why is this bad?
Something has to choose. sd-scripts chooses among `{red|blue}` only with `enable_wildcard`, which makes each line of a
caption a choice as well, and never where text encoder outputs are cached; it knows no `__colour__`
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`). Otherwise braces, bars and both colours are trained
with a picture that shows one of them. Such captions come from the prompts of generated pictures.

## Example

```
1girl, {red|blue} hair, __hat__
```

## Use instead

```
1girl, red hair, beret
```

## Fix
None: which of them is in the picture has to be seen.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.model import Effect, Finding, Rule
from datakit.lint.words import listed

_WILDCARD: Final = re.compile(
    r"\{[^{}|\n]*\|[^{}\n]*\}"
    r"|(?<![^\s,({\[|])__[A-Za-z0-9*](?:[\w/*-]*[A-Za-z0-9*])?__(?![^\s,)}\]|])"
)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in collection.read_captions.values():
        text = caption.listed
        if "{" not in text and "__" not in text:
            continue
        found = [match[0] for match in _WILDCARD.finditer(text) if any(map(str.isalnum, match[0]))]
        if found:
            yield Finding(
                path=caption.path,
                message=f"wildcards, which nothing chooses from: {listed(found)}",
                hint="write what is in the picture; sd-scripts chooses among {a|b} with enable_wildcard",
                evidence={"wildcards": found},
            )


RULE = Rule(
    code="T023",
    name="wildcard-syntax",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    effects={
        "sd-scripts": Effect(
            "warning", "trains braces and bars as text, unless enable_wildcard is on", "library/train_util.py"
        ),
    },
)
