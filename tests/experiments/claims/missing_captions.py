"""What do pictures without captions do?"""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Arm, Ask, Claim, Comparison, Measure, Sample
from ..material import COLOUR, SAID, TRAITS, TRIGGER, asks, character, oracle, plain, unseen

_PICTURES = 16


def captioned(seed: int) -> Sequence[Sample]:
    """All with captions."""
    return character(_PICTURES, seed=seed)


def half(seed: int) -> Sequence[Sample]:
    """Half of them with captions."""
    return unseen(captioned(seed), share=0.5)


def none(seed: int) -> Sequence[Sample]:
    """Without any."""
    return unseen(captioned(seed), share=1.0)


def trigger_alone(seed: int) -> Sequence[Sample]:
    """The trigger is the whole caption."""
    return [Sample(one.image, TRIGGER) for one in captioned(seed)]


def _asks(seed: int) -> list[Ask]:
    return [
        *plain("trigger", 8, trigger=True),
        *asks("trigger and others", 8, seed=seed, trigger=True),
        *asks("others", 8, seed=seed, trigger=False),
    ]


CLAIM = Claim(
    name="missing-captions",
    title="Missing captions",
    says="Pictures without captions teach the trigger less and leak into everything.",
    how=f"{_PICTURES} pictures of a character; none, half or all of them are trained with the empty prompt. A fourth "
    "arm has the trigger alone as every caption.",
    arms=(
        Arm("0", "all pictures have captions", captioned),
        Arm("50", "half have none", half),
        Arm("100", "none has one", none),
        Arm("trigger", "the trigger is the whole caption", trigger_alone),
    ),
    asks=_asks,
    measures=(
        Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
        Measure("leak", "blue hair without the trigger, other hair asked for", "others", tags=(COLOUR,)),
        Measure("obeyed", "tags asked for that are shown, with the trigger", "trigger and others", "asked"),
        Measure("kept", "tags asked for that are shown, without the trigger", "others", "asked"),
    ),
    comparisons=(
        Comparison("traits", "100", "0", -1),
        Comparison("traits", "50", "0", -1),
        Comparison("leak", "100", "0", 1),
        Comparison("kept", "100", "0", -1),
    ),
    looks=oracle,
)
