"""What claims about a plain character LoRA have in common: its pictures, what is asked, what is measured."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Ask, Measure, Sample
from ..material import COLOUR, SAID, TRAITS, asks, character, plain

PICTURES = 16


def pictures(seed: int) -> Sequence[Sample]:
    """The character's, with captions."""
    return character(PICTURES, seed=seed)


def asked(seed: int) -> list[Ask]:
    """The trigger alone, the trigger and other tags, other tags alone."""
    return [
        *plain("trigger", 8, trigger=True),
        *asks("trigger and others", 8, seed=seed, trigger=True),
        *asks("others", 8, seed=seed, trigger=False),
    ]


MEASURES = (
    Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
    Measure("obeyed", "tags asked for that are shown, with the trigger", "trigger and others", "asked"),
    Measure("kept", "tags asked for that are shown, without the trigger", "others", "asked"),
    Measure("leak", "blue hair without the trigger, other hair asked for", "others", tags=(COLOUR,)),
)
