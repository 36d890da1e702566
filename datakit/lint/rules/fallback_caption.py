"""A caption of another name is taken for an image that has none.

## What it does
Finds images without a caption whose path has at least four underscores, and for which a caption lies where
the path without its last four parts points: for `x_1_2_3_4.png` that is `x.txt`.

## Why is this bad?
sd-scripts cuts faces out of images and names the pieces `<stem>_<four numbers>`, so for an image without a
caption it takes that of the stem before (kohya-ss/sd-scripts:library/train_util.py, `read_caption`). It
does so for any name with four underscores, and says nothing: the warning about missing captions does not
count the image. `Aria_red_dress_at_night_2.png` trains with what `Aria.txt` says. Other trainers know no
such rule; to them the caption is missing.

## Example

```
aria/aria_in_a_red_dress.png
aria/aria.png
aria/aria.txt
```

## Use instead

```
aria/aria_in_a_red_dress.png
aria/aria_in_a_red_dress.txt
aria/aria.png
aria/aria.txt
```

## Fix
None: what is in the picture has to be said by you or a tagger.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import CAPTION_STAGES, Collection
from datakit.lint.facts.sidecars import caption_extensions, has_caption
from datakit.lint.model import Effect, Finding, Rule
from datakit.model.item import stem_of

_NUM_CUT: Final = 4
_ELSEWHERE: Final = Effect("off", "looks for the image's own stem alone")


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each image; its evidence has the caption that is taken."""
    read = caption_extensions(collection)
    for key, images in collection.images_of.items():
        if key.count("_") < _NUM_CUT or has_caption(collection, key, read):
            continue
        fallback = key.rsplit("_", _NUM_CUT)[0]
        taken = next((path for one in sorted(read) if (path := f"{fallback}.{one}") in collection.held), None)
        if taken is None:
            continue
        for image in images:
            yield Finding(
                path=image,
                message=f"has no caption, and sd-scripts silently takes {taken} for it",
                hint=f"write {stem_of(key)}.txt, or take the image out",
                evidence={"caption": taken},
            )


RULE = Rule(
    code="P007",
    name="fallback-caption",
    group="pairs",
    severity="warning",
    stages=CAPTION_STAGES,
    check=check,
    effects={
        "sd-scripts": Effect("error", "trains it with the other's caption", "library/train_util.py, read_caption"),
        **dict.fromkeys(("onetrainer", "simpletuner", "ai-toolkit", "diffusion-pipe", "naifu", "dsk"), _ELSEWHERE),
    },
)
