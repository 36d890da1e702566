"""Several images have the same caption.

## What it does
Finds captions that say the same as another, word for word; blanks and case do not count. One finding tells of all
images of one caption, at the first of them. Captions that say nothing are empty-caption's.

## Why is this bad?
A caption says in what a picture differs from the others of its concept. Where two say the same, what differs is told
by nobody, and the model learns the mean of both. Trainers train each picture with its caption and compare none
(kohya-ss/sd-scripts:library/train_util.py, `read_caption`). It comes of captions that were copied, of `aria` written
into every file, and of frames that follow each other in a video, of which one would do.

## Example

```
aria/image1.txt     aria, 1girl, smile          she sits
aria/image2.txt     aria, 1girl, smile          she stands
```

## Use instead

```
aria/image1.txt     aria, 1girl, smile, sitting
aria/image2.txt     aria, 1girl, smile, standing
```

## Fix
None: say in what the pictures differ. Images of a concept that dsk.toml has for regularization may all say `1girl`;
elsewhere allow it.

## Options
`min_images`: how many images must have the caption; 2 by default. `allowed`: captions that may be those of many
images, as in `allowed = ["1girl"]`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

import msgspec

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed, shortened
from datakit.model.item import concept_of, split_path, stem_of


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of repeated-caption."""

    min_images: int = 2
    """Images that must have the caption."""
    allowed: tuple[str, ...] = ()
    """Captions that may be those of many images."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption of several images; its evidence names all of them."""
    options = collection.context.option(Options)
    allowed = {_plain(text) for text in options.allowed}
    groups: defaultdict[str, list[str]] = defaultdict(list)
    known = collection.context.training.regularization
    for path, caption in collection.read_captions.items():
        if concept_of(path) in known:
            continue
        groups[_plain(caption.text)].append(path)
    for text, group in groups.items():
        if len(group) < max(2, options.min_images) or not text or text in allowed:
            continue
        paths = [path for path in group if split_path(path)[0] in collection.images_of]
        if len(paths) >= max(2, options.min_images):
            yield Finding(
                path=paths[0],
                message=f"the same caption as {_others(paths)}: {shortened(text)}",
                hint="say in what the images differ, or keep one of them",
                evidence={"captions": paths},
            )


def _plain(text: str) -> str:
    return " ".join(text.split()).lower()


def _others(paths: list[str]) -> str:
    """The other files, without their folder where it is the same."""
    folder = paths[0].rpartition("/")[0]
    return listed(stem_of(path) if path.rpartition("/")[0] == folder else path for path in paths[1:])


RULE = Rule(
    code="T020",
    name="repeated-caption",
    group="tags",
    severity="warning",
    stages=CAPTION_STAGES,
    last_only=True,
    check=check,
    options=Options,
)
