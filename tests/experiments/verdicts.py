"""What the results say of a claim, by a rule that was written down before anything ran.

The same seed in two arms means the same pictures, the same prompts and the same noise, so arms are compared seed by
seed. A claim's comparisons share the 5 % of being wrong by luck: with k of them, each has an interval of 1 - 0.05 / k.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .contract import Claim, Comparison, Measure
from .facts import Oracle, Run, counts, of_run
from .intervals import Interval, of_difference, of_mean, of_share, of_shares
from .judging import Trust

FEWEST_SEEDS = 3
CONFIRMED, OPPOSITE, DIFFERS = "as claimed", "the opposite", "they differ"
ALIKE, UNDECIDED = "no difference that matters", "nothing seen"
TOO_FEW, BLIND = "too few seeds", "not judged: the tagger cannot tell"
RULE = f"""A comparison is paired: the difference of two arms is taken seed by seed, and Student's t gives the interval
of its mean. Where pictures are counted, the interval is as wide as to hold Newcombe's too, of all pictures of all seeds
together: seeds that agree to the last picture say no more than their pictures. Where a claim has k comparisons, each
interval has the level 1 - 0.05 / k, so that all of them together are wrong by luck in at most 5 % of cases. Each
comparison names beforehand the smallest difference that would matter. Then:

- **{CONFIRMED}** or **{OPPOSITE}** (or **{DIFFERS}**, where no side is taken): the interval excludes 0, and the mean
  difference is at least the smallest that would matter;
- **{ALIKE}**: the whole interval is nearer to 0 than the smallest difference that would matter;
- **{UNDECIDED}**: anything else. That is no proof that there is nothing: the interval says what may still be there;
- **{TOO_FEW}**: fewer than {FEWEST_SEEDS} seeds have both arms;
- **{BLIND}**: of fresh portraits of known tags, seen through the base's
  VAE, the tagger gets more than a tenth of a measure's yes or of its no wrong, or none of them has a yes or a no."""


@dataclass(frozen=True)
class Verdict:
    """Of one comparison."""

    comparison: Comparison
    word: str
    difference: Interval | None
    level: float
    seeds: int


def of_claim(claim: Claim, runs: Sequence[Run], oracle: Oracle | None) -> list[Verdict]:
    """One verdict for each comparison, in their order."""
    level = 1 - 0.05 / len(claim.comparisons)
    return [_verdict(claim, one, runs=runs, oracle=oracle, level=level) for one in claim.comparisons]


def _verdict(
    claim: Claim, comparison: Comparison, *, runs: Sequence[Run], oracle: Oracle | None, level: float
) -> Verdict:
    measure = claim.measure(comparison.measure)
    ours, theirs = (by_seed(runs, arm, measure) for arm in (comparison.arm, comparison.against))
    both = sorted(ours.keys() & theirs.keys())
    if len(both) < FEWEST_SEEDS:
        return Verdict(comparison, TOO_FEW, None, level, len(both))
    found = of_difference([ours[seed] for seed in both], [theirs[seed] for seed in both], level=level)
    if measure.is_share:
        arms = (comparison.arm, comparison.against)
        counted = [counted_of([run for run in runs if run.seed in both], arm, measure) for arm in arms]
        pooled = of_shares(*counted, level=level)
        found = Interval(found.middle, min(found.low, pooled.low), max(found.high, pooled.high))
    if measure.is_share and not is_trusted(measure, oracle):
        return Verdict(comparison, BLIND, found, level, len(both))
    return Verdict(comparison, word_of(found, comparison), found, level, len(both))


def word_of(found: Interval, comparison: Comparison) -> str:
    """What an interval of a difference says."""
    if found.excludes_zero and abs(found.middle) >= comparison.smallest:
        if not comparison.expected:
            return DIFFERS
        return CONFIRMED if found.middle * comparison.expected > 0 else OPPOSITE
    is_within = max(abs(found.low), abs(found.high)) < comparison.smallest
    return ALIKE if is_within else UNDECIDED


def is_trusted(measure: Measure, oracle: Oracle | None) -> bool:
    """Whether the tagger can tell it."""
    if oracle is None or measure.name not in oracle.measures:
        return False
    return Trust(*oracle.measures[measure.name]).is_enough


def by_seed(runs: Sequence[Run], arm: str, measure: Measure) -> dict[int, float]:
    """The measure of an arm, seed by seed."""
    return {run.seed: of_run(run, measure) for run in runs if run.arm == arm}


def mean_of(runs: Sequence[Run], arm: str, measure: Measure) -> Interval | None:
    """Over seeds, with Student's t; None where there is no run."""
    values = by_seed(runs, arm, measure)
    return of_mean(list(values.values())) if values else None


def share_of(runs: Sequence[Run], arm: str, measure: Measure) -> Interval | None:
    """All pictures of all seeds counted together, with Wilson's interval; None where there is no share."""
    hits, total = counted_of(runs, arm, measure) if measure.is_share else (0, 0)
    return of_share(hits, total) if total else None


def counted_of(runs: Sequence[Run], arm: str, measure: Measure) -> tuple[int, int]:
    """How often a share's yes was seen in all runs of an arm, of how many."""
    own = [counts(run, measure) for run in runs if run.arm == arm]
    return sum(hits for hits, _ in own), sum(total for _, total in own)
