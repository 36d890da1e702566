"""A caption is not text in UTF-8.

## What it does
Finds captions with bytes that are no UTF-8, and says which encoding they most probably are in: Windows'
Western or Cyrillic one (cp1252, cp1251), Japanese (Shift-JIS) or Chinese (GB 18030). One in UTF-16 with its mark is
utf-16-caption's.

## Why is this bad?
sd-scripts stops with a UnicodeDecodeError at such a file (kohya-ss/sd-scripts:library/train_util.py,
`read_caption`), after everything before it was loaded; so do the others that read UTF-8. diffusion-pipe and
naifu read in the encoding of the computer: what is fine on one trains other letters on the next.

## Example

```
aria/image1.txt     caf<E9>, 1girl
```

## Use instead

```
aria/image1.txt     café, 1girl
```

## Fix
Unsafe: writes the text as UTF-8, and only where exactly one encoding makes sense of the bytes. It is a
guess: read the result.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.characters import is_blank, rewritten
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import shortened

_SHOWN: Final = {"cp1252": "Windows-1252", "cp1251": "Windows-1251", "cp932": "Shift-JIS", "gb18030": "GB 18030"}
_CONTROL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_BEYOND_ASCII: Final = re.compile("[^\x00-\x7f]+")
_WESTERN_WORD: Final = re.compile("[A-Za-z\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]+")
_WESTERN_LETTER: Final = re.compile("[\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00ff]")
_WESTERN_MARKS: Final = frozenset("\u2018\u2019\u201c\u201d\u2013\u2014\u2026\u00a0\u00b0\u00d7\u2122")
_CYRILLIC: Final = re.compile("(?<![A-Za-z])[\u0410-\u044f\u0401\u0451]{2,}(?![A-Za-z])")
_KANA: Final = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_WIDE: Final = re.compile("[\u3000-\u30ff\u4e00-\u9fff\uff01-\uff5e]+")
_GLUED: Final = re.compile("[a-z][\u4e00-\u9fff]|[\u4e00-\u9fff][a-z]")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; its evidence has the encodings that make sense."""
    for caption in collection.read_captions.values():
        if caption.is_text:
            continue
        guesses = plausible(collection.read(caption.path))
        fixable = len(guesses) == 1
        if fixable:
            name, text = next(iter(guesses.items()))
            hint = f"dsk lint --fix --unsafe-fixes reads it as {_SHOWN[name]}: {shortened(text.strip())}"
        else:
            hint = "open it with the encoding that it was written in, and save it as UTF-8"
        yield Finding(
            path=caption.path,
            message="not UTF-8; trainers stop at it, or read other letters",
            hint=" ".join(hint.split()),
            fixable=fixable,
            evidence={"encodings": [*guesses]},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption as UTF-8, read as the one encoding that makes sense."""
    return rewritten(finding.path, plausible(collection.read(finding.path))[finding.evidence["encodings"][0]])


def plausible(data: bytes) -> dict[str, str]:
    """Encoding → what the bytes say in it, of those in which they look like something that was written."""
    found: dict[str, str] = {}
    for name, makes_sense in (
        ("cp1252", _is_western),
        ("cp1251", _is_cyrillic),
        ("cp932", _is_wide),
        ("gb18030", _is_wide),
    ):
        try:
            text = data.decode(name)
        except UnicodeDecodeError:
            continue
        if not is_blank(text) and not _CONTROL.search(text) and makes_sense(text):
            found[name] = text
    if "cp932" in found and _is_japanese(found["cp932"]):
        found.pop("gb18030", None)
    return found


def _is_western(text: str) -> bool:
    """Whether each letter beyond ASCII stands in a word with more of ASCII, and the rest are marks of typography."""
    rest = _WESTERN_WORD.sub(lambda word: "" if _has_more_ascii(word[0]) else word[0], text)
    return all(one in _WESTERN_MARKS for run in _BEYOND_ASCII.findall(rest) for one in run)


def _has_more_ascii(word: str) -> bool:
    beyond = len(_WESTERN_LETTER.findall(word))
    return beyond <= len(word) - beyond


def _is_cyrillic(text: str) -> bool:
    """Whether all beyond ASCII is Cyrillic words and marks of typography, and no lone letter within a Latin word."""
    rest = _CYRILLIC.sub("", text)
    return all(one in _WESTERN_MARKS for run in _BEYOND_ASCII.findall(rest) for one in run)


def _is_wide(text: str) -> bool:
    """Whether all beyond ASCII is kana, Chinese characters and their marks, and no lone one within a Latin word."""
    return not _BEYOND_ASCII.search(_WIDE.sub("", text)) and not _GLUED.search(text)


def _is_japanese(text: str) -> bool:
    """Whether a third of the wide characters are kana: bytes of Chinese hardly give any."""
    wide = sum(map(len, _WIDE.findall(text)))
    return 3 * len(_KANA.findall(text)) >= wide


RULE = Rule(
    code="P010",
    name="caption-not-utf-8",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    effects={
        "sd-scripts": Effect("error", "stops with a UnicodeDecodeError", "library/train_util.py, read_caption"),
        "diffusion-pipe": Effect("warning", "reads it in the computer's encoding", "utils/dataset.py"),
        "naifu": Effect("warning", "reads it in the computer's encoding", "data/image_storage.py"),
        "dsk": Effect("error", "stops and names the file", "trainer/data/caption_files.py"),
    },
)
