"""Is LoHa or LoKr better than LoRA of as many parameters?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import MEASURES, PICTURES, asked, pictures


def _arm(kind: str, rank: int, words: str, **settings: object) -> Arm:
    own = {f"adapter.{name}": value for name, value in settings.items()}
    return Arm(kind, words, pictures, {"adapter.name": kind, "adapter.rank": rank, "adapter.alpha": float(rank), **own})


CLAIM = Claim(
    name="kinds",
    title="LoRA, LoHa, LoKr of equally many parameters",
    says="LoHa and LoKr do better than LoRA.",
    how=f"{PICTURES} pictures of a character, at the same learning rate; ranks such that all have about as many "
    "trained parameters. A rate tuned for each kind may say otherwise.",
    arms=(
        _arm("lora", 8, "LoRA of rank 8"),
        _arm("loha", 4, "LoHa of rank 4: two products of matrices"),
        _arm("lokr", 56, "LoKr of rank 56, factor 4", factor=4),
    ),
    asks=asked,
    measures=MEASURES,
    comparisons=(
        Comparison("traits", "loha", "lora", 1),
        Comparison("traits", "lokr", "lora", 1),
        Comparison("kept", "loha", "lora", 1),
        Comparison("kept", "lokr", "lora", 1),
    ),
    looks=oracle,
)
