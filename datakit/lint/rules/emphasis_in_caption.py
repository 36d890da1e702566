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
come from the prompts of generated pictures. In captioned this is only said, where it is the last
stage: the cleaned stage strips it.

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

from datakit.lint.captions import Caption
from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.piecewise import written
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.captions import split_prose
from datakit.tags.emphasis import has_emphasis, strip_emphasis

_LITERALLY: Final = "trains the brackets and the numbers as words"


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption with a mark; what is not UTF-8 is left to others."""
    for caption in collection.read_captions.values():
        marks = has_emphasis(_tags(caption)) if caption.is_text else []
        if marks:
            yield Finding(
                path=caption.path,
                message=f"prompt emphasis: {listed(marks)}",
                hint="dsk lint --fix keeps the words alone",
                fixable=caption.encoding != "utf-16",
                evidence={"marks": marks},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption without its marks."""
    caption = collection.read_captions[finding.path]
    tags = _tags(caption)
    return written(caption._replace(listed=tags), strip_emphasis(tags))


def _tags(caption: Caption) -> str:
    """What stands before a blank line, a sentence without one too: only brackets of prose behind it are no marks."""
    return split_prose(caption.text)[0]


RULE = Rule(
    code="T001",
    name="emphasis-in-caption",
    group="tags",
    severity="warning",
    severity_in={"captioned": "info"},
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect(
            "warning",
            f"{_LITERALLY}, unless weighted_captions is on",
            "library/custom_train_functions.py, parse_prompt_attention",
        ),
        "onetrainer": Effect("warning", _LITERALLY),
        "simpletuner": Effect("warning", _LITERALLY),
        "ai-toolkit": Effect("warning", _LITERALLY),
        "diffusion-pipe": Effect("warning", _LITERALLY),
        "naifu": Effect("warning", _LITERALLY),
        "dsk": Effect("warning", _LITERALLY),
    },
)
