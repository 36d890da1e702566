"""A tag says that there is writing of the artist or site in the picture.

## What it does
Finds `signature`, `watermark`, `artist name`, `web address`, `twitter username`, `dated`, `patreon logo` and the
like. This is information: the tag is right as long as the writing is in the picture.

## Why is this bad?
The tag is not, the writing is. Trainers learn what they see (kohya-ss/sd-scripts:library/train_util.py,
`load_image`). While the writing stays, its tag is good to have: it takes the writing up, which can then be left
out of a prompt, or named in the negative one. Without the tag, signatures come with the trigger. It is best to crop
or paint the writing out. Once it is gone, the tag has to go as well, or the word learns that it means nothing.

## Example

```
aria, 1girl, hat, signature, twitter username      the corner with both was cropped away
```

## Use instead

```
aria, 1girl, hat
```

## Fix
None: whether the writing is still there is seen in the picture alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import own_words
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed

_SITES: Final = (
    "patreon|weibo|twitter|twitter_x|instagram|pixiv|fanbox|deviantart|tumblr|facebook|gumroad|subscribestar|artstation"
    "|lofter|bilibili|bluesky|discord|fantia|ko-fi|boosty|tiktok|youtube|twitch|xiaohongshu|artist|copyright"
)
_WRITING: Final = re.compile(
    rf"signature|(?:\S+_)?watermarks?(?:_grid)?|artist_name|web_address|\S+_username|dated|copyright_notice|qr_code"
    rf"|(?:{_SITES})_logo"
)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    own = own_words(collection)
    for caption, tags in collection.captions_with_tag(
        lambda tag: True if _WRITING.fullmatch(tag) and tag not in own else None
    ):
        yield Finding(
            path=caption.path,
            message=f"writing of the artist or site in the picture: {listed(tags)}",
            hint="crop or paint it out and take the tag out; keep the tag while the writing is there",
            evidence={"tags": [*tags]},
        )


RULE = Rule(
    code="T012",
    name="watermark-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
)
