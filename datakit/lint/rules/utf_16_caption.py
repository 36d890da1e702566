"""A caption is written in UTF-16.

## What it does
Finds captions that begin with the byte order mark of UTF-16 and are text in it, as PowerShell's `>` and
Notepad's "Unicode" write them.

## Why is this bad?
Trainers read captions as UTF-8. sd-scripts stops with a UnicodeDecodeError at such a file
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`), after everything before it was loaded.

## Example

```
aria/image1.txt     FF FE 31 00 67 00 …
```

## Use instead

```
aria/image1.txt     1girl, in UTF-8
```

## Fix
Safe: writes the same text as UTF-8 without a mark.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.characters import is_blank, rewritten
from datakit.lint.model import Change, Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; one with nothing to see in it is blank-caption's."""
    for caption in collection.read_captions.values():
        if caption.encoding == "utf-16" and not is_blank(caption.text):
            yield Finding(
                path=caption.path,
                message="written in UTF-16; trainers read UTF-8 and stop at it",
                hint="dsk lint --fix writes it as UTF-8",
                fixable=True,
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption as UTF-8."""
    return rewritten(finding.path, collection.read_captions[finding.path].text)


RULE = Rule(
    code="P018",
    name="utf-16-caption",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("error", "stops with a UnicodeDecodeError", "library/train_util.py, read_caption"),
        "dsk": Effect("error", "stops and names the file", "trainer/data/caption_files.py"),
    },
)
