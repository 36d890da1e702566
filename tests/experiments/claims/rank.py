"""Does a larger rank learn more, and forget more?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import MEASURES, PICTURES, asked, pictures


def _arm(rank: int) -> Arm:
    settings = {"adapter.rank": rank, "adapter.alpha": float(rank)}
    return Arm(f"{rank}", f"rank {rank}, alpha {rank}", pictures, settings)


CLAIM = Claim(
    name="rank",
    title="Rank 4, 16, 64",
    says="A larger rank learns the concept better, and forgets more of the rest.",
    how=f"{PICTURES} pictures of a character, everything but rank and alpha the same, learning rate too.",
    arms=(_arm(4), _arm(16), _arm(64)),
    asks=asked,
    measures=MEASURES,
    comparisons=(Comparison("traits", "64", "4", 1), Comparison("kept", "64", "4", -1)),
    looks=oracle,
)
