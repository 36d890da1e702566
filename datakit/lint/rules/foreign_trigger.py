"""A caption has the trigger word of another concept.

## What it does
Finds captions with a trigger that belongs to another concept of the folder and not to their own. Triggers are those
that missing-trigger goes by. Several people in the picture (`2girls`, `multiple boys`), concepts that lie within each
other, a trigger that both share, and images that are held back to validate (`val/`) are fine.

## Why is this bad?
Each trigger is to call one thing. A picture of one concept that trains with the other's word mixes the two: a bit of
each comes with either. Trainers know words, and no concepts (kohya-ss/sd-scripts:library/train_util.py,
`process_caption`). It comes of a caption that was copied, or of a picture that was sorted into the wrong folder.

## Example

```
aria/image3.txt     rei, 1girl, smile
```

## Use instead

```
aria/image3.txt     aria, 1girl, smile
```

## Fix
None: it may be the word that is wrong, or the picture's folder.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from datakit.lint.captions import Caption
from datakit.lint.collection import FOLDER, Collection
from datakit.lint.facts.holdout import is_held_out
from datakit.lint.facts.triggers import LEAST_SHARE, Trigger, triggers_of
from datakit.lint.model import Finding, Rule
from datakit.lint.words import listed
from datakit.model.item import concept_of
from datakit.tags.exclusive import ONE_OF
from datakit.tags.names import to_prompt

_SEVERAL = frozenset(
    (*(tag for row in ONE_OF for tag in row[1:]), "multiple_girls", "multiple_boys", "multiple_others")
)


def check(collection: Collection) -> Iterator[Finding]:
    """One finding for each caption."""
    triggers = triggers_of(collection, share=LEAST_SHARE)
    owners: dict[str, set[str]] = defaultdict(set)
    for concept, trigger in triggers.items():
        for word in trigger.words:
            owners[word].add(concept)
    if len(triggers) < 2:
        return

    def judge(tag: str) -> set[str] | None:
        return owners.get(tag)

    for caption, found in collection.captions_with_tag(judge):
        if (words := _foreign(caption, found, triggers)) and not is_held_out(caption.path):
            home = sorted(found[words[0]])[0]
            yield Finding(
                path=caption.path,
                message=f"trigger word of {home or 'the folder itself'}: {listed(map(to_prompt, words))}",
                hint="take the word out, or move the picture there",
                evidence={"words": words, "concept": home},
            )


def _foreign(caption: Caption, found: Mapping[str, set[str]], triggers: Mapping[str, Trigger]) -> list[str]:
    here = concept_of(caption.path)
    own = triggers[here].words if here in triggers else ()
    if not _SEVERAL.isdisjoint(caption.tags) or ("1girl" in caption.tags and "1boy" in caption.tags):
        return []
    return [word for word, homes in found.items() if word not in own and not any(_is_kin(here, home) for home in homes)]


def _is_kin(one: str, other: str) -> bool:
    """Whether one concept is the other, or lies within it."""
    return one == other or one.startswith(f"{other}/") or other.startswith(f"{one}/") or not one or not other


RULE = Rule(
    code="T018",
    name="foreign-trigger",
    group="tags",
    severity="warning",
    stages=("cleaned", "wip", FOLDER),
    last_only=True,
    check=check,
)
