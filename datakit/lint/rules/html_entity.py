"""A tag has letters written as HTML entities.

## What it does
Finds `&gt;_&lt;`, `girls&#039; frontline`, `&amp;amp;` in tags. A bare `&` is none, nor is `s&w m&p`. Prose is left
as it is.

## Why is this bad?
Gelbooru and its kin send tags that way, and tools that save them do not always undo it. Trainers do not either
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`): `&gt;_&lt;` trains as the words gt and lt, and an
emoticon that nobody finds again.

## Example

```
1girl, &gt;_&lt;, girls&#039; frontline
```

## Use instead

```
1girl, >_<, girls' frontline
```

## Fix
Safe: writes the letters that are meant, unless one of them is a comma, or would make emphasis.
"""

from __future__ import annotations

import html
import html.entities
import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import is_same_tag, is_tag
from datakit.lint.facts.respelling import Judge, misspelled, respell
from datakit.lint.model import Change, Effect, Finding, Rule

_ENTITY: Final = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|([a-zA-Z][a-zA-Z0-9]{1,31}));")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    problem = "HTML entities, which train as words"
    yield from misspelled(
        collection, _judge(collection), problem=problem, hint="dsk lint --fix writes the letters that are meant"
    )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the letters that are meant."""
    return respell(finding, collection, _judge(collection))


def _judge(collection: Collection) -> Judge:
    """Piece → the piece with its letters; '' where they cannot stand there, None for a piece without entities."""
    vocabulary = collection.context.vocabulary

    def judge(piece: str) -> str | None:
        if "&" not in piece or not is_tag(piece, vocabulary):
            return None
        new = piece
        while (again := _ENTITY.sub(_letter, new)) != new:
            new = again
        if new == piece:
            return None
        new = new.strip()
        return new if is_same_tag(piece, new) else ""

    return judge


def _letter(found: re.Match[str]) -> str:
    """What one entity stands for; a word between `&` and `;` that is none stays."""
    if found[1] is not None and f"{found[1]};" not in html.entities.html5:
        return found[0]
    return html.unescape(found[0]).replace("\u00a0", " ")


RULE = Rule(
    code="T013",
    name="html-entity",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("warning", "trains the entity's letters as words", "library/train_util.py, read_caption"),
        "dsk": Effect("warning", "trains the entity's letters as words"),
    },
)
