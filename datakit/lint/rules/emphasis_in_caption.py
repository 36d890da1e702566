"""A caption contains prompt emphasis.

## What it does
Finds marks of prompt languages in captions: `(smile:1.2)`, `((smile))`, `[hat]`, `{smile}`, `1.2::smile::`,
`BREAK`, `[a:b:0.5]`, `[a|b]` and `<lora:name:0.8>`. Brackets that belong to a tag are no marks:
`kaname (art)`, `:(`, `00 qan[t]`; nor are those of prose behind a blank line.

## Why is this bad?
Prompt fields understand these marks, trainers train them: the brackets and the number become words of the
caption, and the model learns them with the picture. Only sd-scripts has a switch that reads them,
`weighted_captions`, off unless asked for (kohya-ss/sd-scripts:library/custom_train_functions.py,
`parse_prompt_attention`), and it would also read every unescaped `kaname (art)` as emphasis. Such captions
come from the prompts of generated pictures. In captioned this is only said: the cleaned stage strips it.

## Example

```
1girl, (red hair:1.2), {{smile}}, 1.3::hat, gloves::
```

## Use instead

```
1girl, red hair, smile, hat, gloves
```

## Fix
Safe: takes marks and weights away and keeps all words. Escaped brackets stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.model import CAPTION_STAGES, Change, Collection, Finding, Rule, Write
from datakit.tags.captions import split_prose
from datakit.tags.emphasis import has_emphasis, strip_emphasis

_NUM_SHOWN: Final = 3
_MAX_LETTERS: Final = 40


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with a mark; what is not UTF-8 is left to others."""
    for caption in collection.captions:
        text = _tags(_text(collection.read(caption)) or "")
        marks = has_emphasis(text) if text else []
        if marks:
            yield Finding(
                path=caption,
                message=f"prompt emphasis: {_listed(marks)}",
                hint="dsk lint --fix keeps the words alone",
                fixable=True,
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption without its marks."""
    text = _text(collection.read(finding.path)) or ""
    tags = _tags(text)
    return [Write(finding.path, (strip_emphasis(tags) + text[len(tags) :]).encode())]


def _tags(text: str) -> str:
    """What stands before a blank line: brackets of sentences are no marks."""
    return split_prose(text)[0]


def _text(data: bytes) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return None


def _listed(marks: Sequence[str]) -> str:
    shown = [mark if len(mark) <= _MAX_LETTERS else f"{mark[: _MAX_LETTERS - 1]}…" for mark in marks[:_NUM_SHOWN]]
    more = f" and {len(marks) - _NUM_SHOWN} more" if len(marks) > _NUM_SHOWN else ""
    return ", ".join(shown) + more


RULE = Rule(
    code="T001",
    name="emphasis-in-caption",
    group="tags",
    severity="warning",
    severity_in={"captioned": "info"},
    stages=CAPTION_STAGES,
    check=check,
    fix=fix,
    fix_safety="safe",
)
