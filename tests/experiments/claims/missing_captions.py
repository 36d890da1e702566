"""What do pictures without captions do?"""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Arm, Claim, Comparison, Sample
from ..material import TRIGGER, oracle, unseen
from .character import EARLY_STEPS, MEASURES, PICTURES, asked, early, early_name, pictures


def half(seed: int) -> Sequence[Sample]:
    """Half of them with captions."""
    return unseen(pictures(seed), share=0.5)


def none(seed: int) -> Sequence[Sample]:
    """Without any."""
    return unseen(pictures(seed), share=1.0)


def trigger_alone(seed: int) -> Sequence[Sample]:
    """The trigger is the whole caption."""
    return [Sample(one.image, TRIGGER) for one in pictures(seed)]


_ARMS = (
    Arm("0", "all pictures have captions", pictures),
    Arm("50", "half have none", half),
    Arm("100", "none has one", none),
    Arm("trigger", "the trigger is the whole caption", trigger_alone),
)

CLAIM = Claim(
    name="missing-captions",
    title="Missing captions",
    says="Pictures without captions teach the trigger less and leak into everything.",
    how=f"{PICTURES} pictures of a character; none, half or all of them are trained with the empty prompt; a fourth "
    f"arm has the trigger alone as every caption. What is learnt is compared after {EARLY_STEPS} steps, what else is "
    "touched at the usual end.",
    arms=(*early(_ARMS[:3]), *_ARMS),
    asks=asked,
    measures=MEASURES,
    comparisons=(
        Comparison("traits", early_name("100"), early_name("0"), -1),
        Comparison("traits", early_name("50"), early_name("0"), -1),
        Comparison("class", "100", "0", 1),
        Comparison("kept", "100", "0", -1),
    ),
    looks=oracle,
)
