"""v-prediction with and without zero terminal SNR, and how much its last timesteps count."""

from __future__ import annotations

from collections.abc import Sequence

from ..contract import Arm, Ask, Claim, Comparison, Measure, Sample
from ..material import NIGHT, night, plain

_PICTURES = 16
_QUIET = 880
"""Above it lie the timesteps whose signal-to-noise ratio is below any of the schedule without zero terminal SNR."""


def dark(seed: int) -> Sequence[Sample]:
    """Portraits that are nearly black."""
    return night(_PICTURES, seed=seed)


def _asks(seed: int) -> list[Ask]:
    return [*plain("trigger", 16, trigger=True), *plain("others", 8, trigger=False)]


CLAIM = Claim(
    name="zero-snr",
    title="v-prediction: zero terminal SNR and its last timestep",
    says="Without zero terminal SNR dark pictures come out too bright; with it they do too, where the loss gives the "
    "last timesteps no weight.",
    how=f"{_PICTURES} portraits at {100 * NIGHT:.0f} % of their light, on a base that was itself trained with zero "
    "terminal SNR: it knows its way from pure noise already, so what few steps leave out shows little. Brightness is 0 "
    "(black) to 1 (white); each arm is sampled on the schedule that it was trained with.",
    arms=(
        Arm("zero", "zero terminal SNR, all timesteps alike", dark),
        Arm(
            "not-zero",
            "the schedule without it, in training and sampling",
            dark,
            {"objective.zero_terminal_snr": False},
        ),
        Arm("never-noisy", f"with it, no timestep above {_QUIET} ever drawn", dark, {"timesteps.max": _QUIET}),
        Arm(
            "min-snr",
            "with it, min-SNR as the trainer has it, which never forgets the last",
            dark,
            {"objective.weighting": "min_snr"},
        ),
        Arm("bare-min-snr", "with it, min-SNR by its formula, 0 at the last", dark, weighting="bare_min_snr"),
    ),
    asks=_asks,
    measures=(
        Measure("off", "how far brightness is from that of the training pictures", "trigger", "off", (), "brightness"),
        Measure("brightness", "brightness with the trigger", "trigger", "number", (), "brightness"),
        Measure("elsewhere", "brightness without the trigger", "others", "number", (), "brightness"),
    ),
    comparisons=(
        Comparison("off", "not-zero", "zero", 1, smallest=0.02),
        Comparison("off", "never-noisy", "zero", 1, smallest=0.02),
        Comparison("off", "bare-min-snr", "min-snr", 1, smallest=0.02),
    ),
)
