"""A caption begins with a byte order mark.

## What it does
Finds captions in UTF-8 that begin with the bytes EF BB BF, as Notepad and Excel write them.

## Why is this bad?
sd-scripts reads captions as plain UTF-8, so the mark becomes the first letter of the first tag, which is
the trigger (kohya-ss/sd-scripts:library/train_util.py, `read_caption`); the others do the same, but for dsk,
which takes it off. `aria` with a mark is another string than `aria`: tag editors count it apart, and
what `keep_tokens` protects is not what you write in a prompt.

## Example

```
aria/image1.txt     EF BB BF, then: aria, 1girl
```

## Use instead

```
aria/image1.txt     aria, 1girl
```

## Fix
Safe: takes the mark off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.characters import rewritten, written_captions
from datakit.lint.model import Change, Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; one with nothing behind the mark is blank-caption's."""
    for caption in written_captions(collection):
        if caption.encoding == "utf-8-bom":
            yield Finding(
                path=caption.path,
                message="begins with a byte order mark, which becomes part of the first tag",
                hint="dsk lint --fix takes it off",
                fixable=True,
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the caption without the mark."""
    return rewritten(finding.path, collection.read_captions[finding.path].text)


RULE = Rule(
    code="P009",
    name="byte-order-mark",
    group="pairs",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    effects={
        "sd-scripts": Effect("warning", "makes it part of the first tag", "library/train_util.py, read_caption"),
        "dsk": Effect("off", "takes it off", "trainer/data/caption_files.py"),
    },
)
