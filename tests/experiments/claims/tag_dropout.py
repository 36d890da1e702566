"""What does leaving tags out at random do?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import MEASURES, PICTURES, asked, pictures


def _arm(rate: float) -> Arm:
    subset = {"caption_tag_dropout_rate": rate} if rate else {}
    return Arm(
        f"{rate:g}", f"each tag but the trigger left out in {100 * rate:.0f} % of draws", pictures, subset=subset
    )


CLAIM = Claim(
    name="tag-dropout",
    title="Tag dropout",
    says="Leaving tags out at random binds the concept to the trigger, at the price of tags that are obeyed less.",
    how=f"{PICTURES} pictures of a character; the trigger is never left out.",
    arms=(_arm(0.0), _arm(0.1), _arm(0.3)),
    asks=asked,
    measures=MEASURES,
    comparisons=(Comparison("traits", "0.3", "0", 1), Comparison("obeyed", "0.3", "0", -1)),
    looks=oracle,
)
