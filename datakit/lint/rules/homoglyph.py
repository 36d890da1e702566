"""A word has letters of another script that only look like Latin ones.

## What it does
Finds words of Latin letters in which Cyrillic or Greek ones stand that look the same (`h<U+0430>t` with the
Cyrillic a), and words in the wide Latin letters of Japanese keyboards (U+FF21 and the following). Words
of one script pass, so do words in which the other letters do not look Latin, or are more than the Latin
ones, and wide letters beside Japanese, Chinese or Korean.

## Why is this bad?
Nobody sees the difference, and every program does: `h<U+0430>t` is no tag, no alias and no blacklist finds
it, and CLIP's tokenizer makes other tokens of it, so the concept is learnt under a name that nobody can type
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`, compares nothing and takes the text as it is).

## Example

```
aria/image1.txt     1girl, h<U+0430>t
```

## Use instead

```
aria/image1.txt     1girl, hat
```

## Fix
Safe: writes the Latin letter that is seen. Nothing else of the word changes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.characters import rewritten, written_captions
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed

_CYRILLIC: Final = dict(zip("\u0430\u0435\u043e\u0440\u0441\u0443\u0445\u0456\u0458\u0455", "aeopcyxijs", strict=True))
_CYRILLIC_CAPITALS: Final = dict(
    zip(
        "\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0406\u0408\u0405",
        "ABEKMHOPCTYXIJS",
        strict=True,
    )
)
_GREEK: Final = dict(
    zip(
        "\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7\u03bf",
        "ABEZHIKMNOPTYXo",
        strict=True,
    )
)
_LOOKS_LIKE: Final = {**_CYRILLIC, **_CYRILLIC_CAPITALS, **_GREEK}
_WIDE: Final = {chr(ord(one) + 0xFEE0): one for one in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"}
_SUSPECT: Final = re.compile(f"[{''.join(_LOOKS_LIKE)}{''.join(_WIDE)}]")
_WORD: Final = re.compile(r"[^\W\d_]+")
_WIDE_RUN: Final = re.compile("[\uff10-\uff19\uff21-\uff3a\uff41-\uff5a]+")
_EAST_ASIAN: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uff66-\uff9f]")
_PIECE: Final = re.compile(r"[^,\n]+")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in written_captions(collection):
        if not caption.text.isascii() and _SUSPECT.search(caption.text):
            found = list(dict.fromkeys(_mixed(caption.text)))
            if found:
                yield Finding(
                    path=caption.path,
                    message=f"letters that only look Latin: {listed(map(_explained, found))}",
                    hint="dsk lint --fix writes the Latin ones",
                    fixable=True,
                    evidence={"words": found},
                )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption with the letters that are seen."""
    return rewritten(finding.path, _cured(collection.read_captions[finding.path].text))


def _cured(text: str) -> str:
    return _PIECE.sub(lambda piece: _WORD.sub(lambda word: _latin(word[0]), _narrow(piece[0])), text)


def _mixed(text: str) -> Iterator[str]:
    for piece in _PIECE.findall(text):
        if not _EAST_ASIAN.search(piece):
            yield from _WIDE_RUN.findall(piece)
        yield from (word for word in _WORD.findall(_narrow(piece)) if _latin(word) != word)


def _narrow(piece: str) -> str:
    """Wide letters made plain, but for those beside East Asian ones."""
    if _EAST_ASIAN.search(piece):
        return piece
    return _WIDE_RUN.sub(lambda run: "".join(map(_WIDE.__getitem__, run[0])), piece)


def _latin(word: str) -> str:
    """The word in Latin letters alone, if all others look like such ones and are not more of them."""
    others = [one for one in word if one in _LOOKS_LIKE]
    num_latin = sum(1 for one in word if one < "\u0250")
    if not others or num_latin + len(others) < len(word) or num_latin < len(others):
        return word
    return "".join(_LOOKS_LIKE.get(one, one) for one in word)


def _explained(word: str) -> str:
    odd = [one for one in word if one in _LOOKS_LIKE or one in _WIDE]
    return f"{word} (U+{ord(odd[0]):04X})"


RULE = Rule(
    code="P014",
    name="homoglyph",
    group="pairs",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
)
