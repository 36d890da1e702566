"""A caption holds nothing but blanks.

## What it does
Finds caption files in which there is nothing to see: blanks, line ends, a byte order mark, characters
without width. A file of zero bytes is empty-caption's.

## Why is this bad?
Nobody stops at it: sd-scripts takes the first line, strips it, and trains an empty prompt
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`), as OneTrainer, naifu and diffusion-pipe do;
`skip_empty_caption` of the latter skips images without a caption file alone
(tdrussell/diffusion-pipe:utils/dataset.py). What is peculiar to the image is learnt as the meaning of no
prompt at all. dsk refuses it. In raw, filtered and edited this is a warning, since the captioned stage
writes captions from records or a tagger.

## Example

```
aria/image1.txt     two line ends
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
from datakit.lint.facts.characters import is_blank
from datakit.lint.facts.sidecars import WITH_EMPTY_CAPTION
from datakit.lint.model import Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption file with bytes and without a visible character."""
    for caption in collection.read_captions.values():
        if is_blank(caption.text) and caption.is_text and (caption.text or caption.encoding != "utf-8"):
            yield Finding(
                path=caption.path,
                message="blank caption: nothing to see in it; it trains an empty prompt",
                hint="write what is in the picture, or take the image out",
            )


RULE = Rule(
    code="P015",
    name="blank-caption",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    last_only=True,
    check=check,
    effects={**WITH_EMPTY_CAPTION},
)
