"""A caption file has no bytes.

## What it does
Finds caption files of zero bytes. One that holds blanks is blank-caption's.

## Why is this bad?
sd-scripts stops with an AssertionError at a caption of zero bytes, without naming a cure
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`), and dsk refuses it. With others the image
trains an empty prompt, and what is peculiar to it is learnt as the meaning of no prompt at all: so with
diffusion-pipe, whose `skip_empty_caption` skips images without a caption file alone
(tdrussell/diffusion-pipe:utils/dataset.py). In raw, filtered and edited this is a warning, since the
captioned stage writes captions from records or a tagger.

## Example

```
aria/image1.txt     0 bytes
```

## Use instead

```
aria/image1.txt     1girl, red hair, smile
```

## Fix
None: what is in the picture has to be said by you or a tagger.
"""

from __future__ import annotations

from collections.abc import Iterator

from datakit.lint.collection import ALL_STAGES, Collection
from datakit.lint.facts.sidecars import WITH_EMPTY_CAPTION
from datakit.lint.model import Effect, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption file without a byte."""
    for caption in collection.read_captions.values():
        if not caption.text and caption.encoding == "utf-8":
            yield Finding(
                path=caption.path,
                message="empty caption: zero bytes; sd-scripts stops at it",
                hint="write what is in the picture, or take the image out",
            )


RULE = Rule(
    code="P003",
    name="empty-caption",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    effects={
        **WITH_EMPTY_CAPTION,
        "sd-scripts": Effect("error", "stops with an AssertionError", "library/train_util.py, read_caption"),
    },
)
