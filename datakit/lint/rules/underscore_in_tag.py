"""A tag is written with underscores in a prompt.

## What it does
Finds tags as the sites write them, `long_hair`, where captions have spaces. Emoticons keep theirs (`^_^`,
`o_o`), and so do words that models know with it (`score_9`, `rating_safe`, `source_anime`), trigger words, and
what each caption of a concept begins with. Where nine of ten tags of a folder have underscores, that is a
choice, or a folder as it was scraped: one finding tells it instead of thousands.

## Why is this bad?
No trainer replaces underscores (kohya-ss/sd-scripts:library/train_util.py, `process_caption`, has no handling
of them): CLIP reads `long_hair` as three tokens, `long`, `_`, `hair`. The models of the field were trained with
`long hair`, so the caption takes more tokens to say what the model does not know, and the prompt that calls it
later has to be written the same way. A mixture of both halves what each spelling learns.

## Example

```
aria, 1girl, long_hair, looking_at_viewer, ^_^
```

## Use instead

```
aria, 1girl, long hair, looking at viewer, ^_^
```

## Fix
Safe: writes spaces for the underscores, of single tags; for a whole folder only with `spelling = "spaces"`.

## Options
`spelling`: `"spaces"` finds underscores in each caption, `"underscores"` says that they are wanted, `"either"`
(the usual) takes what most of the folder does. In a dataset with `keep_underscores = true` in `[cleaned]` the usual is
`"underscores"`. `keep`: more names that keep their underscores.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import is_same_tag, is_tag, own_words
from datakit.lint.facts.respelling import Judge, misspelled, respell
from datakit.lint.model import Change, Effect, Finding, Rule
from datakit.lint.words import counted
from datakit.tags.names import KAOMOJI, to_canonical

_WORDS: Final = re.compile(
    r"score_\d+(?:_up)?|rating_(?:safe|questionable|explicit)|source_(?:anime|cartoon|furry|pony)"
)
"""Of profiles; as Pony Diffusion was trained."""
_NO_TAG: Final = re.compile(r"://|<|^__|__$|\.(?:png|jpe?g|webp|gif|txt|com|net)$", re.IGNORECASE)
"""An address, a network, a wildcard, a file's name."""
_UNDERSCORES: Final = re.compile(r"[_ ]*_[_ ]*")
_MOST: Final = 9 / 10
_TRAINED: Final = "trains the underscore as a token of its own"


class Options(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Section `[lint.rules.underscore-in-tag]`."""

    spelling: Literal["either", "spaces", "underscores"] = "either"
    """How the captions are to be written; `either`: as most of them are."""
    keep: tuple[str, ...] = ()
    """Tags that keep their underscores."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption, or one for a folder that has underscores throughout."""
    spelling = collection.context.option(Options).spelling
    if spelling == "underscores" or not any("_" in piece for piece in collection.pieces_in_use):
        return
    judge = _respeller(collection)
    if spelling == "either" and (whole := _throughout(collection, judge)) is not None:
        yield whole
        return
    hint = "dsk lint --fix writes spaces; [lint.rules.underscore-in-tag] keep names what keeps them"
    yield from misspelled(collection, judge, problem="underscores for spaces", hint=hint)


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write spaces."""
    return respell(finding, collection, _respeller(collection))


def _respeller(collection: Collection) -> Judge:
    """Piece → the piece with spaces; None for one that stays."""
    keep = {*KAOMOJI, *own_words(collection), *map(to_canonical, collection.context.option(Options).keep)}
    vocabulary = collection.context.vocabulary

    def judge(piece: str) -> str | None:
        if "_" not in piece or _NO_TAG.search(piece) or not any(map(str.isalnum, piece)):
            return None
        name = to_canonical(piece)
        if name in keep or _WORDS.fullmatch(name) or not is_tag(piece, vocabulary):
            return None
        new = _UNDERSCORES.sub(" ", piece).strip()
        return new if is_same_tag(piece, new) else None

    return judge


def _throughout(collection: Collection, judge: Judge) -> Finding | None:
    """The one finding of a folder in which tags of several words have underscores."""
    num_underscored = num_spaced = 0
    example = ""
    for piece, paths in collection.pieces_in_use.items():
        if judge(piece) is not None:
            num_underscored += len(paths)
            example = example or piece
        elif " " in piece and "_" not in piece and is_tag(piece, collection.context.vocabulary):
            num_spaced += len(paths)
    if len(collection.captions) < 2 or not num_underscored or num_underscored < _MOST * (num_underscored + num_spaced):
        return None
    others = f", {counted(num_spaced, 'tag')} with spaces" if num_spaced else ""
    return Finding(
        path="",
        message=f"underscores for spaces throughout, as {example}{others}; most models know tags with spaces",
        hint='say spelling = "underscores" or "spaces" under [lint.rules.underscore-in-tag]; --fix then writes spaces',
        evidence={"num_underscored": num_underscored, "num_spaced": num_spaced},
    )


RULE = Rule(
    code="T002",
    name="underscore-in-tag",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="safe",
    options=Options,
    effects={
        "sd-scripts": Effect("warning", _TRAINED, "library/train_util.py, process_caption"),
        "dsk": Effect("warning", _TRAINED),
    },
)
