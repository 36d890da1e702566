"""Is LoHa or LoKr better than LoRA of as many parameters?"""

from __future__ import annotations

from ..contract import Arm, Claim, Comparison
from ..material import oracle
from .character import EARLY_STEPS, MEASURES, PICTURES, asked, early, early_name, pictures


def _arm(kind: str, rank: int, words: str, **settings: object) -> Arm:
    own = {f"adapter.{name}": value for name, value in settings.items()}
    return Arm(kind, words, pictures, {"adapter.name": kind, "adapter.rank": rank, "adapter.alpha": float(rank), **own})


_ARMS = (
    _arm("lora", 8, "LoRA of rank 8"),
    _arm("loha", 4, "LoHa of rank 4: two products of matrices"),
    _arm("lokr", 56, "LoKr of rank 56, factor 4", factor=4),
)

CLAIM = Claim(
    name="kinds",
    title="LoRA, LoHa, LoKr of equally many parameters",
    says="LoHa and LoKr do better than LoRA.",
    how=f"{PICTURES} pictures of a character, at the same learning rate; ranks such that all have about as many "
    f"trained parameters. A rate tuned for each kind may say otherwise. What is learnt is compared after {EARLY_STEPS} "
    "steps, what is kept at the usual end.",
    arms=(*early(_ARMS), *_ARMS),
    asks=asked,
    measures=MEASURES,
    comparisons=(
        Comparison("traits", early_name("loha"), early_name("lora"), 1),
        Comparison("traits", early_name("lokr"), early_name("lora"), 1),
        Comparison("kept", "loha", "lora", 1),
        Comparison("kept", "lokr", "lora", 1),
    ),
    looks=oracle,
)
