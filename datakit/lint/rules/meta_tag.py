"""A tag says something of the post, not of the picture.

## What it does
Finds tags that no look at the picture would give: `commentary request`, `translated`, `md5 mismatch`,
`bad pixiv id`, `paid reward available`, `highres`. A name that the vocabulary knows in another category than meta
passes (`social commentary`), and so do meta tags that can be seen: `traditional media`, `official art`, `lowres`,
`jpeg artifacts`. Words that profiles add on purpose pass (`masterpiece`, `newest`, `score_9`), and beside one of
them `highres` and `absurdres`, since NoobAI's prompts have those too.

## Why is this bad?
A caption word is learnt from what the pictures with it have in common
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`, takes each as it stands). Whether a text was
translated is no trait of a picture: such a tag takes tokens, and ties what is peculiar to the images to a word
that nobody prompts.

## Example

```
aria, 1girl, hat, highres, commentary request, bad pixiv id
```

## Use instead

```
aria, 1girl, hat
```

## Fix
Unsafe: takes them out. A dataset does better with `categories` of `[captioned]`, or a blacklist.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, own_words, without
from datakit.lint.model import Change, Finding, Rule
from datakit.lint.words import listed
from datakit.tags.vocabulary.known import UNKNOWN

_UNSEEN: Final = re.compile(
    r"""(?:\w+[_-])*commentary(?:_request|_typo)? | \S+_request | check_[a-z]+ | tagme
    | (?:partially_|hard-)?translated | (?:fake|reverse)_translation | (?:partially_)?annotated
    | bad_(?:\S+_)?id | bad_(?:link|source) | (?:protected|download)_link
    | (?:md5|resolution|source)_mismatch | (?:non-web|second-party|third-party|archived)_source
    | source_(?:smaller|larger) | (?:pixel-perfect_)?duplicate | revision | has_\S+_revision
    | (?:image|pixiv|twitter|tumblr|artstation|e-hentai|deviantart|yandere|nicoseiga|naver|konachan|gelbooru)_sample
    | (?:self-|commissioner_)upload | inactive_account | imageboard_desourced
    | (?:\S+_)?reward | (?:\S+_)?commission | (?:paid_reward|making-of|merchandise|pdf|psd|zip|figure)_available
    | (?:large_)?variant_set | corrupted_(?:metadata|file|twitter_file) | exif_rotation
    | lossy-lossless | lossless-lossy | \w+-to-png_conversion | ugoira(?:_conversion)?
    | highres | (?:incredibly_)?absurdres | huge_filesize | hi_res | (?:super)?absurd_res
    | video | sound | animated(?:_gif|_png)? | \w+_audio | audible_\w+
    """,
    re.VERBOSE,
)
"""By Danbooru's list of meta tags, and e621's sizes."""
_SIZES: Final = frozenset({"highres", "absurdres"})
_QUALITY: Final = re.compile(
    r"masterpiece|(?:best|great|good|average|normal|low|bad|worst)_(?:quality|score)|high_score|very_aesthetic"
    r"|newest|recent|oldest|score_\d+(?:_up)?"
)
"""Words for quality or year, as profiles write them."""
_KNOWN_AS: Final = frozenset({UNKNOWN, "meta"})


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    category = collection.context.vocabulary.category
    own = own_words(collection)

    def judge(tag: str) -> bool | None:
        return (category(tag) in _KNOWN_AS and _UNSEEN.fullmatch(tag) is not None and tag not in own) or None

    praise = frozenset(filter(_QUALITY.fullmatch, collection.tags_in_use))
    for caption, found in collection.captions_with_tag(judge):
        is_praised = not praise.isdisjoint(caption.tags)
        tags = [tag for tag in found if tag not in _SIZES or not is_praised]
        if tags:
            yield Finding(
                path=caption.path,
                message=f"says something of the post, not of the picture: {listed(tags)}",
                hint="dsk lint --fix --unsafe-fixes takes it out; a dataset leaves out what its blacklist names",
                fixable=can_be_written(caption) and not {*caption.tags} <= {*tags},
                evidence={"tags": tags},
            )


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Take them out."""
    caption = collection.read_captions[finding.path]
    tags = {*finding.evidence["tags"]}
    return without(caption, [number for number, tag in enumerate(caption.tags) if tag in tags])


RULE = Rule(
    code="T010",
    name="meta-tag",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="unsafe",
)
