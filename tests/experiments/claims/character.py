"""What claims about a plain character LoRA have in common: its pictures, what is asked, what is measured."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from ..contract import Arm, Ask, Measure, Sample
from ..material import SAID, TRAITS, asks, character, plain

PICTURES = 16
EARLY_STEPS = 30
"""Tried beforehand, with seeds that no experiment has: a LoRA of rank 8 calls the character in about half of the
pictures then, and in all of them after 60 steps. Who learns faster is seen here; who harms what, at the usual end."""


def pictures(seed: int) -> Sequence[Sample]:
    """The character's, with captions."""
    return character(PICTURES, seed=seed)


def early(arms: Iterable[Arm]) -> tuple[Arm, ...]:
    """The same arms, trained for few steps."""
    return tuple(
        replace(
            arm,
            name=early_name(arm.name),
            words=f"{arm.words}, {EARLY_STEPS} steps",
            settings={**arm.settings, "train.steps": EARLY_STEPS},
        )
        for arm in arms
    )


def early_name(name: str) -> str:
    """Of an arm that is trained for few steps."""
    return f"{name}-early"


def asked(seed: int) -> list[Ask]:
    """The trigger alone, neither trigger nor hair, the trigger and other tags, other tags alone."""
    return [
        *plain("trigger", 16, trigger=True),
        *plain("class", 16, trigger=False),
        *asks("trigger and others", 8, seed=seed, trigger=True),
        *asks("others", 8, seed=seed, trigger=False),
    ]


MEASURES = (
    Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
    Measure("obeyed", "tags asked for that are shown, with the trigger", "trigger and others", "asked"),
    Measure("kept", "tags asked for that are shown, without the trigger", "others", "asked"),
    Measure("class", f"{SAID} without the trigger, no hair asked for", "class", tags=TRAITS),
)
