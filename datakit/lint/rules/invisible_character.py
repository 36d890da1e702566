"""A caption has characters that nobody sees.

## What it does
Finds characters without width (zero width space, soft hyphen, a byte order mark within the text), marks of
writing direction, line separators, and blanks that are no blanks (no-break, thin, ideographic). What a
script or an emoji needs stays: joiners within Persian, Arabic and Indic words and between emoji, marks of
direction in captions with Hebrew or Arabic, the ideographic space beside Japanese or Chinese.

## Why is this bad?
They come with text that was copied from web pages. `long hair` with a no-break space is another string
than `long hair`: aliases, blacklists and tag counts miss it, and so do shuffling and dropout of tags by name
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`). CLIP's tokenizer has tokens for the
characters without width, so they train.

## Example

```
aria/image1.txt     1girl, long<NBSP>hair, smi<ZWSP>le
```

## Use instead

```
aria/image1.txt     1girl, long hair, smile
```

## Fix
Safe: takes them out; odd blanks and line separators become plain blanks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.characters import INVISIBLES, code_points, rewritten, written_captions
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed

_BLANKS: Final = "\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000"
_SUSPECT: Final = re.compile(f"[{INVISIBLES}{_BLANKS}]")
_BECOMES_BLANK: Final = re.compile(f"[{_BLANKS}\u2028\u2029]")
_RIGHT_TO_LEFT: Final = re.compile("[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefc]")
_JOINED_SCRIPT: Final = re.compile(
    "[\u0600-\u08ff\u0900-\u109f\u1780-\u18af\u1a20-\u1c4f\ua840-\ua8df\ua980-\uaadf\U00010a00-\U00011fff]"
)
_EMOJI: Final = re.compile(
    "[\u00a9\u00ae\u200d\u20e3\u2190-\u2bff\u3030\u303d\u3297\u3299\ufe0e\ufe0f"
    "\U0001f000-\U0001faff\U000e0020-\U000e007f]"
)
_EAST_ASIAN: Final = re.compile("[\u1100-\u11ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef]")
_JOINERS: Final = frozenset("\u200c\u200d")
_DIRECTIONS: Final = frozenset("\u061c\u200e\u200f\u2066\u2067\u2068\u2069")
_WIDE_BLANK: Final = "\u3000"
_FIRST_TAG: Final = "\U000e0000"


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in written_captions(collection):
        if not caption.text.isascii() and _SUSPECT.search(caption.text):
            found = code_points("".join(caption.text[place] for place in _places(caption.text)))
            if found:
                yield Finding(
                    path=caption.path,
                    message=f"characters that nobody sees: {listed(found)}",
                    hint="dsk lint --fix takes them out",
                    fixable=True,
                    evidence={"characters": found},
                )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption without them."""
    text = collection.read_captions[finding.path].text
    letters = list(text)
    for place in _places(text):
        letters[place] = " " if _BECOMES_BLANK.match(letters[place]) else ""
    return rewritten(finding.path, "".join(letters))


def _places(text: str) -> list[int]:
    """Where the characters stand that nothing needs."""
    goes_left = bool(_RIGHT_TO_LEFT.search(text))
    found = (match.start() for match in _SUSPECT.finditer(text))
    return [place for place in found if not _is_needed(text, place, goes_left=goes_left)]


def _is_needed(text: str, place: int, *, goes_left: bool) -> bool:
    one, before, after = text[place], text[place - 1 : place], text[place + 1 : place + 2]
    if one in _DIRECTIONS:
        return goes_left
    if one == _WIDE_BLANK:
        return bool(_EAST_ASIAN.match(before) or _EAST_ASIAN.match(after))
    if one in _JOINERS and _JOINED_SCRIPT.match(before):
        return True
    if one == "\u200d":
        return bool(_EMOJI.match(before) and _EMOJI.match(after) and after != one)
    return one >= _FIRST_TAG and bool(_EMOJI.match(before))


RULE = Rule(
    code="P013",
    name="invisible-character",
    group="pairs",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
)
