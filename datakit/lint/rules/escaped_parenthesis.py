r"""A tag has backslashes before its brackets.

## What it does
Finds `kaname \(art\)` and `late\[st\]`: tags with brackets that are all escaped. `\(^o^)/`, `\m/` and other tags
that have a backslash of their own are none.

## Why is this bad?
A backslash is an escape only where brackets mean emphasis, that is in prompt fields. Every trainer reads
captions literally and trains the backslash as a token (kohya-ss/sd-scripts:library/train_util.py,
`process_caption`; only its switch `weighted_captions` un-escapes, and that is off unless asked for). In A1111 and
ComfyUI the prompt `kaname \(art\)` is then read as `kaname (art)`, which the model was not trained with. Some
taggers escape unless told not to (deepghs/imgutils:imgutils/tagging/format.py). dsk never escapes a caption.

## Example

```
1girl, kaname \(art\), hat
```

## Use instead

```
1girl, kaname (art), hat
```

## Fix
Safe: takes the backslashes away, unless what is left would be emphasis: `\(smile\)`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import is_same_tag, is_tag
from datakit.lint.facts.respelling import Judge, misspelled, respell
from datakit.lint.model import Change, Effect, Finding, Rule

_ESCAPED: Final = re.compile(r"\\([()\[\]])")
_LITERALLY: Final = "trains the backslash as a token of its own"


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    problem = "escaped brackets, which train as backslashes"
    yield from misspelled(
        collection, _judge(collection), problem=problem, hint="dsk lint --fix takes the backslashes away"
    )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Take the backslashes away."""
    return respell(finding, collection, _judge(collection))


def _judge(collection: Collection) -> Judge:
    """Piece → the piece without backslashes; '' where they must stay, None for a piece that has none."""
    vocabulary = collection.context.vocabulary

    def judge(piece: str) -> str | None:
        if "\\" not in piece or not is_tag(piece, vocabulary):
            return None
        plain = _ESCAPED.sub(r"\1", piece)
        if plain == piece or any(_has_bare(piece, kind) for kind in ("()", "[]")):
            return None
        return plain if is_same_tag(piece, plain) else ""

    return judge


def _has_bare(piece: str, kind: str) -> bool:
    """Whether brackets of a kind stand there both escaped and not: then the backslashes are the tag's own."""
    escaped = sum(piece.count(f"\\{sign}") for sign in kind)
    return 0 < escaped < sum(map(piece.count, kind))


RULE = Rule(
    code="T003",
    name="escaped-parenthesis",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect(
            "warning", f"{_LITERALLY}, unless weighted_captions is on", "library/train_util.py, process_caption"
        ),
        "onetrainer": Effect("warning", _LITERALLY),
        "simpletuner": Effect("warning", _LITERALLY),
        "ai-toolkit": Effect("warning", _LITERALLY),
        "diffusion-pipe": Effect("warning", _LITERALLY),
        "naifu": Effect("warning", _LITERALLY),
        "dsk": Effect("warning", _LITERALLY),
    },
)
