"""A caption says nothing.

## What it does
Finds caption files of zero bytes, and those that hold only blanks, line ends or a byte order mark.

## Why is this bad?
sd-scripts stops with an AssertionError at a caption of zero bytes, without naming a cure
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`). Blanks pass: the image then trains an empty
prompt, and what is peculiar to it is learnt as the meaning of no prompt at all. diffusion-pipe leaves
such an image out. In raw this is a warning, since the captioned stage writes captions from records or a
tagger.

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

from datakit.lint.model import ALL_STAGES, Collection, Finding, Rule


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption file without a visible character."""
    for caption in collection.captions:
        data = collection.read(caption)
        if not data:
            yield _finding(caption, "zero bytes; sd-scripts stops at it")
        elif not data.decode("utf-8-sig", errors="replace").strip():
            yield _finding(caption, "only blanks; it trains an empty prompt")


def _finding(caption: str, problem: str) -> Finding:
    return Finding(
        path=caption,
        message=f"empty caption: {problem}",
        hint="write what is in the picture, or take the image out",
    )


RULE = Rule(
    code="P003",
    name="empty-caption",
    group="pairs",
    severity="error",
    severity_in={"raw": "warning", "filtered": "warning", "edited": "warning"},
    stages=ALL_STAGES,
    check=check,
)
