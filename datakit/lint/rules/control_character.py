"""A caption has control characters.

## What it does
Finds characters in captions that are no text: NUL, backspace, escape, form feed and the like. Tab and line
ends are none. NUL between all letters is UTF-16 without its mark.

## Why is this bad?
They come from terminals, broken downloads and programs that write C strings, and nobody sees them. CLIP's
tokenizer has tokens for such bytes, so they train, and a tag with one is another tag than the one
without (kohya-ss/sd-scripts:library/train_util.py, `read_caption`, takes the line as it is).

## Example

```
aria/image1.txt     1girl, smi<BS>le
```

## Use instead

```
aria/image1.txt     1girl, smile
```

## Fix
Safe: takes them out. Those that part lines or records become a blank, so that no two words grow together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.characters import CONTROLS, code_points, rewritten, written_captions
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed

_CONTROL: Final = re.compile(f"[{CONTROLS}]")
_PARTING: Final = frozenset("\x0b\x0c\x1c\x1d\x1e\x1f\x85")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in written_captions(collection):
        if not caption.text.isprintable() and _CONTROL.search(caption.text):
            found = code_points("".join(_CONTROL.findall(caption.text)))
            yield Finding(
                path=caption.path,
                message=f"control characters that nobody sees: {listed(found)}",
                hint="dsk lint --fix takes them out",
                fixable=True,
                evidence={"characters": found},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption without them."""
    text = collection.read_captions[finding.path].text
    return rewritten(finding.path, _CONTROL.sub(lambda found: " " if found[0] in _PARTING else "", text))


RULE = Rule(
    code="P012",
    name="control-character",
    group="pairs",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
)
