"""A mark that parts fixed tags from others stays in the captions.

## What it does
Finds `|||`, or what `keep_tokens_separator` says, in captions of a folder that is trained by something that does not
take it out: sd-scripts where nothing is shuffled or dropped, and every other trainer. In wip it is told only with
`--for` such a trainer, for the export to sd-scripts takes it out itself where it has to.

## Why is this bad?
sd-scripts cuts at the separator, and so removes it, only while `shuffle_caption`, tag dropout or token warm-up is on
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`); with cached text encoder outputs none of them is, and
the raw caption is encoded. All others know no such mark: the bars are trained as a token in each caption.

## Example

```
aria, 1girl ||| hat, smile
```

## Use instead

```
aria, 1girl, hat, smile
```

## Fix
Unsafe: writes a comma for each mark, in all captions of the folder. What stood before it moves like the rest then.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.captions import Caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, written
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import counted, listed

_BLANKS: Final = r"[^\S\r\n]*"
_OTHERS: Final = ("onetrainer", "simpletuner", "ai-toolkit", "diffusion-pipe", "naifu")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for the folder: how its captions are written is one decision."""
    harmed = _harmed(collection)
    having = _having(collection) if harmed else []
    if having:
        mark = collection.context.training.keep_separator
        yield Finding(
            path="",
            message=f"{mark} is in {counted(len(having), 'caption')}, as in {having[0].path}, "
            f"and trains as text: {listed(harmed)}",
            hint="train with shuffle_caption and keep_tokens_separator; dsk lint --fix --unsafe-fixes writes commas",
            fixable=any(map(can_be_written, having)),
            evidence={"num_captions": len(having), "separator": mark},
        )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write commas."""
    mark = re.escape(collection.context.training.keep_separator)
    run = re.compile(rf"(?:{_BLANKS},?{_BLANKS}{mark})+{_BLANKS},?{_BLANKS}")
    able = filter(can_be_written, _having(collection))
    return [change for caption in able for change in written(caption, run.sub(_between, caption.listed))]


def _harmed(collection: Collection) -> list[str]:
    """The trainers that would train the mark; the usual one where nobody said."""
    context = collection.context
    is_folder = collection.stage == FOLDER
    taken_out = {"dsk"} if is_folder and not context.training.shuffles else {"dsk", "sd-scripts"}
    if context.targets:
        return [one.title for one in context.targets if one.name not in taken_out]
    return ["sd-scripts where nothing shuffles", "all other trainers"] if "sd-scripts" not in taken_out else []


def _having(collection: Collection) -> list[Caption]:
    mark = collection.context.training.keep_separator
    return [caption for caption in collection.read_captions.values() if mark and mark in caption.listed]


def _between(found: re.Match[str]) -> str:
    """A comma where tags stand on both sides of the marks in their line."""
    text = found.string
    is_first = not text[: found.start()] or text[found.start() - 1] in "\r\n"
    is_last = found.end() == len(text) or text[found.end()] in "\r\n"
    return "" if is_first or is_last else ", "


RULE = Rule(
    code="T022",
    name="literal-separator",
    group="tags",
    severity="info",
    stages=("wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    effects={
        "sd-scripts": Effect(
            "warning", "trains the mark as text where nothing shuffles", "library/train_util.py, process_caption"
        ),
        **{name: Effect("warning", "knows no such mark and trains it as text") for name in _OTHERS},
        "dsk": Effect("off", "cuts at the mark and takes it out"),
    },
)
