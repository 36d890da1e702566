"""Does the colour hidden under transparency show, where alpha is left away?"""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Arm, Ask, Claim, Comparison, Measure, Sample
from ..material import asks, plain, transparent

_PICTURES = 16


def flattened(seed: int) -> Sequence[Sample]:
    """As dsk's edited stage gives them: laid on white."""
    return transparent(_PICTURES, seed=seed, flattened=True)


def dropped(seed: int) -> Sequence[Sample]:
    """As programs give them that read RGB and nothing else."""
    return transparent(_PICTURES, seed=seed, flattened=False)


def _asks(seed: int) -> list[Ask]:
    return [
        *plain("trigger", 8, trigger=True),
        *plain("trigger and white", 8, trigger=True, more=("simple_background", "white_background")),
        *asks("others", 8, seed=seed, trigger=False),
    ]


CLAIM = Claim(
    name="transparency",
    title="Transparent pictures and the colour under them",
    says="Transparent pixels have colours, which a program that leaves alpha away trains on.",
    how=f"{_PICTURES} portraits on nothing, with #ff0000 where nothing shows; captions say nothing of a background. "
    "Counted are pixels near that colour.",
    arms=(
        Arm("flattened", "laid on white by dsk's edited stage", flattened),
        Arm("dropped", "alpha left away", dropped),
    ),
    asks=_asks,
    measures=(
        Measure(
            "hidden", "share of the picture in the hidden colour, with the trigger", "trigger", "number", (), "hidden"
        ),
        Measure("white", "the same, a white background asked for", "trigger and white", "number", (), "hidden"),
        Measure("elsewhere", "the same without the trigger", "others", "number", (), "hidden"),
    ),
    comparisons=(
        Comparison("hidden", "dropped", "flattened", 1, smallest=0.02),
        Comparison("white", "dropped", "flattened", 1, smallest=0.02),
        Comparison("elsewhere", "dropped", "flattened", 1, smallest=0.02),
    ),
)
