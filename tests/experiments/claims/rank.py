"""Does a larger rank learn more, and forget more?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import EARLY_STEPS, MEASURES, PICTURES, asked, early, early_name, pictures


def _arm(rank: int) -> Arm:
    settings = {"adapter.rank": rank, "adapter.alpha": float(rank)}
    return Arm(f"{rank}", f"rank {rank}, alpha {rank}", pictures, settings)


_ARMS = (_arm(4), _arm(16), _arm(64))

CLAIM = Claim(
    name="rank",
    title="Rank 4, 16, 64",
    says="A larger rank learns the concept better, and forgets more of the rest.",
    how=f"{PICTURES} pictures of a character, everything but rank and alpha the same, learning rate too. What is "
    f"learnt is compared after {EARLY_STEPS} steps, what is forgotten at the usual end.",
    arms=(*early((_ARMS[0], _ARMS[-1])), *_ARMS),
    asks=asked,
    measures=MEASURES,
    comparisons=(
        Comparison("traits", early_name("64"), early_name("4"), 1),
        Comparison("kept", "64", "4", -1),
        Comparison("class", "64", "4", 1),
    ),
    looks=oracle,
)
