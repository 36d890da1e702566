"""A caption has carriage returns.

## What it does
Finds captions whose lines end as on Windows (CR LF) or on old Macs (CR).

## Why is this bad?
Most trainers read captions as text, where Python makes a plain line end of it
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`). SimpleTuner reads bytes and parts them at LF
alone, so the CR stays at the end of the caption. Programs that compare captions see another text: git
shows whole files as changed, and a tag editor may count `smile` twice.

## Example

```
aria/image1.txt     1girl, smile CR LF
```

## Use instead

```
aria/image1.txt     1girl, smile LF
```

## Fix
Safe: writes plain line ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.characters import rewritten, written_captions
from datakit.lint.model import Change, Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption in written_captions(collection):
        if "\r" in caption.text:
            yield Finding(
                path=caption.path,
                message="has carriage returns at its line ends",
                hint="dsk lint --fix writes plain line ends",
                fixable=True,
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption with plain line ends."""
    text = collection.read_captions[finding.path].text
    return rewritten(finding.path, text.replace("\r\n", "\n").replace("\r", "\n"))


RULE = Rule(
    code="P011",
    name="carriage-return",
    group="pairs",
    severity="info",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("off", "takes it for a plain line end", "library/train_util.py, read_caption"),
        "simpletuner": Effect("warning", "leaves it at the end of the caption", "simpletuner/helpers/prompts.py"),
        "dsk": Effect("off", "takes it for a plain line end", "trainer/data/caption_files.py"),
    },
)
