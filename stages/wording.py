"""How stages speak of numbers of things in commit subjects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from datakit.model.stage import Drop, Keep, Outcome


def count(number: int, singular: str, plural: str = "") -> str:
    """`1 image`, `2 images`; `plural` where it is not made with an s."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"


def in_brackets(parts: Iterable[str]) -> str:
    """` (a, b)`, or '' when there are none."""
    listed = ", ".join(parts)
    return f" ({listed})" if listed else ""


def kept_of(outcomes: Sequence[Outcome], words: Mapping[str, tuple[str, str]]) -> str:
    """`22 of 24 kept (1 exact duplicate, 1 unreadable)`; `words` has singular and plural of the rules."""
    parts = dropped_parts(outcomes, words)
    return f"{len(kept(outcomes))} of {len(outcomes)} kept" + in_brackets(parts)


def kept(outcomes: Sequence[Outcome]) -> list[Keep]:
    """The outcomes that go on."""
    return [outcome for outcome in outcomes if isinstance(outcome, Keep)]


def dropped_parts(outcomes: Sequence[Outcome], words: Mapping[str, tuple[str, str]] | None = None) -> list[str]:
    """`2 exact duplicates`, `1 unreadable`: how many each rule dropped, by the rules' names."""
    numbers = Counter(outcome.rule for outcome in outcomes if isinstance(outcome, Drop))
    return [count(numbers[rule], *(words or {}).get(rule, (rule, rule))) for rule in sorted(numbers)]
