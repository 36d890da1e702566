"""A tag names an artist.

## What it does
Finds tags that the vocabulary knows as artists, and those written as such: `artist:wlop`, `by wlop`, `@wlop`,
`wlop (artist)`. `by the window` is none. Trigger words pass, and so does what each caption of a concept begins
with: that is what a style is called by. This is information, for many people want it.

## Why is this bad?
It is not, where the artist's style is to be kept apart: the word takes up the style, so that the concept stays
free of it. It is where the style itself is trained, for then part of it goes to the artist's name and not to the
trigger; where artists are not to be named; and where a model never knew them by name, as Pony Diffusion. Trainers
treat it as any other word (kohya-ss/sd-scripts:library/train_util.py, `process_caption`).

## Example

```
aria, 1girl, artist:wlop, hat
```

## Use instead

```
aria, 1girl, hat
```

## Fix
None: whether it is wanted is for you to say, with dsk allow, or by `categories` of `[captioned]`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import is_tag, own_words
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed
from datakit.tags.names import KAOMOJI, to_canonical

_NAMED: Final = re.compile(r"(?:artist:|@)_?(?P<sure>\w\S*)|(?P<suffixed>\S+)_\(artist\)|by_(?P<by>\S+)")
_NO_NAME: Final = re.compile(
    r"(?:the|an?|his|her|their|its|my|your|one|oneself|herself|himself|itself|themselves|side|sea|water|night|day|hand"
    r"|window|wall|door|fire|candlelight|moonlight|another|someone|self)(?:_.*)?"
)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    for caption, tags in collection.captions_with(_judge(collection)):
        yield Finding(
            path=caption.path,
            message=f"names an artist: {listed(tags)}",
            hint="keep it to hold the style apart; take it out to train the style, or not to name anybody",
            evidence={"tags": [*tags]},
        )


def _judge(collection: Collection) -> Callable[[str], str | None]:
    """Piece → the artist."""
    vocabulary = collection.context.vocabulary
    own = own_words(collection)

    def judge(piece: str) -> str | None:
        name = to_canonical(piece)
        if name in own or name in KAOMOJI or not is_tag(piece, vocabulary):
            return None
        if vocabulary.category(name) == "artist":
            return name
        named = _NAMED.fullmatch(name)
        if named is None or name in vocabulary:
            return None
        if (artist := named["by"]) is not None:
            return artist if vocabulary.category(artist) in ("artist", "") and not _NO_NAME.fullmatch(artist) else None
        return named["sure"] or named["suffixed"]

    return judge


RULE = Rule(
    code="T011",
    name="artist-tag",
    group="tags",
    severity="info",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
)
