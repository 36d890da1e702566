"""Does tagging an object that all pictures have keep it out of what the trigger draws?"""

from __future__ import annotations

from collections.abc import Sequence

from datakit.demo.portraits.contract import Look

from ..contract import Arm, Ask, Claim, Comparison, Measure, Sample
from ..material import SAID, TRAITS, TRIGGER, asks, character, oracle, plain, wearing

OBJECT = "glasses"
_PICTURES = 16


def tagged(seed: int) -> Sequence[Sample]:
    """Every picture has the object, and every caption names it."""
    return character(_PICTURES, seed=seed, glasses=True)


def untagged(seed: int) -> Sequence[Sample]:
    """The same pictures, whose captions do not name it."""
    return [Sample(one.image, _without(one.caption)) for one in tagged(seed)]


def _without(caption: str) -> str:
    return ", ".join(tag for tag in caption.split(", ") if tag != OBJECT)


def _asks(seed: int) -> list[Ask]:
    return [
        *plain("trigger", 16, trigger=True),
        *plain("trigger and object", 16, trigger=True, more=(OBJECT,)),
        *asks("others", 8, seed=seed, trigger=False, unnamed=(OBJECT, "sunglasses")),
    ]


def _looks(seed: int) -> list[Look]:
    bare = oracle(seed)
    return [*bare, *(wearing(look, place) for place, look in enumerate(bare))]


CLAIM = Claim(
    name="negation",
    title="Tag the object to negate it",
    says="An object that all pictures have and no caption names becomes part of the trigger and appears everywhere; "
    "named in the captions, it appears only when it is asked for.",
    how=f"{_PICTURES} pictures of a character ({TRIGGER}: {SAID}), all with {OBJECT}. Captions name it, or do not.",
    arms=(
        Arm("untrained", "the base without any LoRA", untagged, trains=False),
        Arm("tagged", f"captions name {OBJECT}", tagged),
        Arm("untagged", f"captions do not name {OBJECT}", untagged),
    ),
    asks=_asks,
    measures=(
        Measure("unasked", f"{OBJECT} with the trigger, not asked for", "trigger", tags=(OBJECT,)),
        Measure("elsewhere", f"{OBJECT} without the trigger, not asked for", "others", tags=(OBJECT,)),
        Measure("asked", f"{OBJECT} with the trigger, asked for", "trigger and object", tags=(OBJECT,)),
        Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
    ),
    comparisons=(
        Comparison("unasked", "untagged", "tagged", 1),
        Comparison("elsewhere", "untagged", "tagged", 1),
        Comparison("asked", "tagged", "untagged", 0),
    ),
    looks=_looks,
)
