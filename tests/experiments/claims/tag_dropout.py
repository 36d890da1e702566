"""What does leaving tags out at random do?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import EARLY_STEPS, MEASURES, PICTURES, asked, early, early_name, pictures


def _arm(rate: float) -> Arm:
    subset = {"caption_tag_dropout_rate": rate} if rate else {}
    return Arm(
        f"{rate:g}", f"each tag but the trigger left out in {100 * rate:.0f} % of draws", pictures, subset=subset
    )


_ARMS = (_arm(0.0), _arm(0.1), _arm(0.3))

CLAIM = Claim(
    name="tag-dropout",
    title="Tag dropout",
    says="Leaving tags out at random binds the concept to the trigger, at the price of tags that are obeyed less.",
    how=f"{PICTURES} pictures of a character; the trigger is never left out. How fast the trigger is bound is compared "
    f"after {EARLY_STEPS} steps, how much goes without it and what is obeyed at the usual end.",
    arms=(*early((_ARMS[0], _ARMS[-1])), *_ARMS),
    asks=asked,
    measures=MEASURES,
    comparisons=(
        Comparison("traits", early_name("0.3"), early_name("0"), 1),
        Comparison("class", "0.3", "0", -1),
        Comparison("obeyed", "0.3", "0", -1),
    ),
    looks=oracle,
)
