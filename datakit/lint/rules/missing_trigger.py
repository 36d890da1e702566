"""A caption lacks the trigger word of its concept.

## What it does
Finds captions without a trigger word that the others have, or with it in another place where most begin with it. A
dataset says its triggers in `[cleaned]`. In a folder they are inferred: what six of ten captions of a subfolder, and
three at least, begin with, and hardly any has elsewhere, and that is no common tag (`1girl`, `solo`, `masterpiece`);
or the first word of a kohya folder's name, `10_sks girl`, that half of its captions have. Case does not count. Where
a trigger is inferred, captions that share another name in front show somebody else, and are not told.

## Why is this bad?
The trigger gathers what all pictures have in common. A picture without it teaches its face to `1girl` instead, and
the identity is split over several words. sd-scripts reads the name `10_sks girl` only for pictures without a caption
(kohya-ss/sd-scripts:library/train_util.py, `process_caption`): where there is one, it has to hold the trigger. A
trigger that is not in front is shuffled away, or dropped, by `keep_tokens`.

## Example

```
aria/image1.txt     aria, 1girl, smile
aria/image2.txt     aria, 1girl, hat
aria/image3.txt     1girl, umbrella
```

## Use instead

```
aria/image3.txt     aria, 1girl, umbrella
```

## Fix
Unsafe: writes the missing words in front, or moves them there. It may be that the picture shows somebody else.

## Options
`share`: of a folder's captions that begin with a word, for it to be a trigger; 0.6 by default.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from datakit.lint.captions import Caption, read_caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.piecewise import can_be_written, without, written
from datakit.lint.facts.renaming import spelled_like
from datakit.lint.facts.triggers import (
    LEAST_SHARE,
    Trigger,
    captions_by_concept,
    is_model_word,
    opens,
    says,
    triggers_of,
)
from datakit.lint.model import Change, Finding, Rule, Write
from datakit.lint.words import listed
from datakit.model.item import concept_of
from datakit.tags.names import to_prompt
from datakit.tags.profiles.profile import PEOPLE

_LEAST_OF_ANOTHER: Final = 2
"""Captions that begin with a name, for it to be no slip."""


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of missing-trigger."""

    share: float = LEAST_SHARE
    """Of a folder's captions that begin with a word, for it to be a trigger."""


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption; its evidence has the words that are missing or misplaced."""
    captions = captions_by_concept(collection)
    share = collection.context.option(Options).share
    for concept, trigger in triggers_of(collection, share=share).items():
        others = _names_of_others(collection, captions[concept], trigger)
        for caption in captions[concept]:
            if caption.tags[:1] not in others and (finding := _finding(caption, trigger)):
                yield finding


def _names_of_others(collection: Collection, captions: Sequence[Caption], trigger: Trigger) -> set[tuple[str, ...]]:
    """What two captions or more begin with, that is nowhere else and no common tag; none where triggers are said."""
    if collection.context.triggers is not None:
        return set()
    first = Counter(caption.tags[0] for caption in captions if caption.tags)
    common = {"", *trigger.words, *PEOPLE}
    names = {
        word
        for word, number in first.items()
        if number >= _LEAST_OF_ANOTHER
        and word not in common
        and not is_model_word(word)
        and collection.context.vocabulary.category(word) not in ("general", "meta")
    }
    for caption in captions if names else ():
        names.difference_update(caption.tags[1:])
    return {(word,) for word in names}


def _finding(caption: Caption, trigger: Trigger) -> Finding | None:
    missing = [word for word in trigger.words if word not in caption.tags and not says(caption, word)]
    if missing:
        message = f"no trigger word: {listed(map(to_prompt, missing))}"
        message += f"; {_of_others(trigger)}" if trigger.num_with else ""
        hint = "write it in front, unless the picture shows something else"
    elif trigger.is_first and not opens(caption, trigger.words[0]) and trigger.words[0] in caption.tags:
        missing = [trigger.words[0]]
        message = f"the trigger {to_prompt(missing[0])} is not in front; {_of_others(trigger)}"
        hint = "move it to the front"
    else:
        return None
    return Finding(
        path=caption.path,
        message=message,
        hint=hint,
        fixable=can_be_written(caption),
        evidence={"words": missing, "num_with": trigger.num_with, "num_captions": trigger.num_captions},
    )


def _of_others(trigger: Trigger) -> str:
    verb = "begin with" if trigger.is_first else "have"
    return f"{trigger.num_with} of {trigger.num_captions} captions {verb} it"


def fix(finding: Finding, collection: Collection) -> Sequence[Change]:
    """Write the words in front, as most captions spell them."""
    caption = collection.read_captions[finding.path]
    words = finding.evidence["words"]
    changes = without(caption, [number for number, tag in enumerate(caption.tags) if tag in words])
    for change in changes:
        if isinstance(change, Write):
            caption = read_caption(caption.path, change.data)
    spelled = [_spelling(collection, caption, word) for word in words]
    if not caption.listed:
        mark = b"\xef\xbb\xbf" if caption.encoding == "utf-8-bom" else b""
        return [Write(caption.path, mark + ", ".join([*spelled, caption.text.lstrip()]).encode())]
    separator = "\n" if "\n" in caption.listed.strip() and "," not in caption.listed else ", "
    return written(caption, separator.join([*spelled, caption.listed.lstrip()]))


def _spelling(collection: Collection, caption: Caption, word: str) -> str:
    concept = concept_of(caption.path)
    spellings = Counter(
        piece
        for path in collection.tags_in_use.get(word, ())
        if concept_of(path) == concept and path != caption.path
        for piece, tag in zip(collection.read_captions[path].pieces, collection.read_captions[path].tags, strict=True)
        if tag == word
    )
    return spellings.most_common(1)[0][0] if spellings else spelled_like(caption, word)


RULE = Rule(
    code="T017",
    name="missing-trigger",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
    fix=fix,
    fix_safety="unsafe",
    options=Options,
)
