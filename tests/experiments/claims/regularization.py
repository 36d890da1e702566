"""Do the base's own pictures of the class keep what it knew?"""

from __future__ import annotations

from ..contract import Arm, Ask, Baking, Claim, Comparison, Measure
from ..material import SAID, TRAITS, asks, oracle, plain
from .character import PICTURES, pictures


def _asks(seed: int) -> list[Ask]:
    return [
        *plain("trigger", 16, trigger=True),
        *plain("class", 16, trigger=False),
        *asks("others", 8, seed=seed, trigger=False),
    ]


_HALF = Baking("").steps // 2
_CLASS_PROMPTS = tuple(ask.prompt for ask in plain("class", PICTURES, trigger=False))

CLAIM = Claim(
    name="regularization",
    title="Regularization pictures",
    says="Class pictures, made by the base and trained beside the concept's, keep the class from becoming the concept.",
    how=f"{PICTURES} pictures of a character, with or without {PICTURES} pictures that the base made of the class "
    "prompt. With them the character is seen half as often in as many steps: so the arm beside it takes half of the "
    "steps.",
    arms=(
        Arm("untrained", "the base without any LoRA", pictures, trains=False),
        Arm("without", "the character's pictures alone", pictures),
        Arm("half", "the character's pictures alone, half of the steps", pictures, {"train.steps": _HALF}),
        Arm("with", "as many class pictures beside them", pictures, class_prompts=_CLASS_PROMPTS),
    ),
    asks=_asks,
    measures=(
        Measure("class", f"{SAID} of the class, without the trigger", "class", tags=TRAITS),
        Measure("kept", "tags asked for that are shown, without the trigger", "others", "asked"),
        Measure("traits", f"{SAID} with the trigger", "trigger", tags=TRAITS),
    ),
    comparisons=(
        Comparison("class", "with", "half", -1),
        Comparison("kept", "with", "half", 1),
        Comparison("traits", "with", "half", 0),
    ),
    looks=oracle,
)
