"""A caption has commas with nothing between them.

## What it does
Finds commas at the beginning and at the end of the tags, two in a row, the wide commas of East Asian keyboards
between tags in Latin letters, and commas that run into a sign, `smile,:d`. A missing blank before a letter,
`1girl,smile`, is none: it makes the same tokens. Prose is left as it is.

## Why is this bad?
sd-scripts counts what is between two commas as a tag, also if that is nothing: with `keep_tokens = 1` the caption
`, aria, 1girl` keeps the nothing in its place and shuffles the trigger
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`). It cuts at `,` alone, so that tags
with wide commas stay one. `,,` and `,:` are tokens of their own to CLIP, other ones than the comma's.

## Example

```
, aria, 1girl,, hat,smile,:d,
```

## Use instead

```
aria, 1girl, hat,smile, :d
```

## Fix
Safe: takes out what is too much, and writes `, ` where a comma is meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, written
from datakit.lint.model import Change, Effect, Finding, Rule

_AT_START: Final = re.compile(r"\A\s*(?:,[^\S\r\n]*)+")
_AT_END: Final = re.compile(r"(?<![^\S\r\n])[^\S\r\n]*(?:,[^\S\r\n]*)*,(\s*)\Z")
_DOUBLED: Final = re.compile(r",(?:[^\S\r\n]*,)+[^\S\r\n]*")
_RUN_IN: Final = re.compile(r",(?=[(\[:;>^@|\\<=+])")
_WIDE: Final = re.compile(r"[^\S\r\n]*[\uff0c\u3001][^\S\r\n]*")
_COMMAS: Final = re.compile(r"[,\uff0c\u3001\r\n]")
_MAX_WORDS: Final = 4
_AFTER_COMMA: Final = re.compile(r",(?:[^\S\r\n]*,|[(\[:;>^@|\\<=+])")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in collection.read_captions.values():
        problems = _problems(caption.listed) if _may_be_stray(caption.listed) else []
        if problems:
            yield Finding(
                path=caption.path,
                message=f"stray commas: {', '.join(problems)}",
                hint="dsk lint --fix takes them out and keeps the tags",
                fixable=can_be_written(caption) and bool(caption.pieces),
                evidence={"problems": problems},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Take them out."""
    caption = collection.read_captions[finding.path]
    return written(caption, _tidied(caption.listed))


def _may_be_stray(listed: str) -> bool:
    """False for most captions, at little cost."""
    text = listed.strip()
    if text.startswith(",") or text.endswith(",") or _AFTER_COMMA.search(text):
        return True
    return not text.isascii() and _WIDE.search(text) is not None


def _problems(listed: str) -> list[str]:
    patterns = (
        (_AT_START, "at the beginning"),
        (_DOUBLED, "two in a row"),
        (_AT_END, "at the end"),
        (_RUN_IN, "without a blank before a sign"),
    )
    found = [words for pattern, words in patterns if pattern.search(listed)]
    return [*found, *(["of another script"] if _has_wide(listed) else [])]


def _tidied(listed: str) -> str:
    """The tags with a comma between two of them."""
    while True:
        tidy = _WIDE.sub(", ", listed) if _has_wide(listed) else listed
        tidy = _DOUBLED.sub(", ", _AT_END.sub(r"\1", _AT_START.sub("", tidy)))
        tidy = _RUN_IN.sub(", ", tidy)
        if tidy == listed:
            return tidy
        listed = tidy


def _has_wide(listed: str) -> bool:
    """Whether other commas part tags in Latin letters; in other scripts they are part of what is written."""
    if not _WIDE.search(listed):
        return False
    return _WIDE.sub("", listed).isascii() and all(len(part.split()) <= _MAX_WORDS for part in _COMMAS.split(listed))


RULE = Rule(
    code="T014",
    name="stray-comma",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("warning", "counts nothing as a tag", "library/train_util.py, process_caption"),
        "dsk": Effect("warning", "trains the commas as tokens"),
    },
)
