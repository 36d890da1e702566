"""Do the base's own pictures of the class keep what it knew?"""

from __future__ import annotations

from ..contract import Arm, Ask, Claim, Comparison, Measure
from ..material import COLOUR, SAID, TRAITS, asks, oracle, plain
from .character import PICTURES, pictures


def _asks(seed: int) -> list[Ask]:
    return [
        *plain("trigger", 8, trigger=True),
        *plain("class", 8, trigger=False),
        *asks("others", 8, seed=seed, trigger=False),
    ]


_CLASS_PROMPTS = tuple(ask.prompt for ask in plain("class", PICTURES, trigger=False))

CLAIM = Claim(
    name="regularization",
    title="Regularization pictures",
    says="Class pictures, made by the base and trained beside the concept's, keep the class from becoming the concept.",
    how=f"{PICTURES} pictures of a character, with or without {PICTURES} pictures that the base made of the class "
    "prompt. Both arms take as many steps, so that the second sees the character half as often.",
    arms=(
        Arm("untrained", "the base without any LoRA", pictures, trains=False),
        Arm("without", "the character's pictures alone", pictures),
        Arm("with", "as many class pictures beside them", pictures, class_prompts=_CLASS_PROMPTS),
    ),
    asks=_asks,
    measures=(
        Measure("class", "blue hair of the class, without the trigger", "class", tags=(COLOUR,)),
        Measure("kept", "tags asked for that are shown, without the trigger", "others", "asked"),
        Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
    ),
    comparisons=(
        Comparison("class", "with", "without", -1),
        Comparison("kept", "with", "without", 1),
        Comparison("traits", "with", "without", 0),
    ),
    looks=oracle,
)
