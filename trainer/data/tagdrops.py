"""Which tags of a caption are left out, beyond one rate for all: rates by name, by frequency, and in levels."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property


@dataclass(frozen=True)
class TagRule:
    """How tags are left out. Only tags that may move are: those that are kept in front or behind stay."""

    rates: Mapping[str, float] = field(default_factory=dict)
    """Tag or pattern (`*`, `?`, `[...]`) -> how often it is left out, instead of caption_tag_dropout_rate. A tag's own
    name counts before patterns; of patterns that match, the last one."""
    levels: tuple[tuple[float, float], ...] = ()
    """(how often, share of the tags kept): in that share of draws only so many tags are kept, rounded to the nearest
    number, whichever they are; rates apply to those."""
    common_power: float = 0.0
    """Above 0: caption_tag_dropout_rate is multiplied by (count / largest count) ** common_power, so that rare tags
    are kept more often. Named rates are not."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """How often the dataset has a tag; one that is not in it was never seen."""

    @property
    def is_active(self) -> bool:
        """Whether any tag can be left out because of it."""
        return bool(self.rates) or any(often > 0 and share < 1 for often, share in self.levels)

    @cached_property
    def _named(self) -> dict[str, float]:
        return {plain(name): rate for name, rate in self.rates.items()}

    @cached_property
    def _patterns(self) -> list[tuple[str, float]]:
        """Those that are patterns, the one that decides first."""
        found = [(name, rate) for name, rate in self._named.items() if any(mark in name for mark in "*?[")]
        return found[::-1]

    @cached_property
    def _counts(self) -> Counter[str]:
        found: Counter[str] = Counter()
        for tag, count in self.counts.items():
            found[plain(tag)] += count
        return found

    @cached_property
    def _largest_count(self) -> int:
        return max(self._counts.values(), default=0)

    def rate(self, tag: str, common: float) -> float:
        """How often this tag is left out, 0 to 1; `common` is the caption_tag_dropout_rate."""
        name = plain(tag)
        if name in self._named:
            return self._named[name]
        for pattern, rate in self._patterns:
            if fnmatchcase(name, pattern):
                return rate
        if self.common_power <= 0 or not self._largest_count:
            return common
        return float(common * (self._counts[name] / self._largest_count) ** self.common_power)


def plain(tag: str) -> str:
    r"""A tag's name whichever way it is written: `Long_Hair`, `long hair`; `name \(series\)`, `name (series)`."""
    return " ".join(tag.replace("\\(", "(").replace("\\)", ")").replace("_", " ").lower().split())


def kept(tags: Sequence[str], rule: TagRule, *, common: float, unit: Callable[..., float]) -> list[int]:
    """Places, ascending, of the tags that stay; `unit(purpose, ...)` gives a number in [0, 1)."""
    places = list(range(len(tags)))
    num = _num_kept(len(tags), rule.levels, unit("tag-level") if rule.levels else 0.0)
    if num < len(tags):
        places = sorted(sorted(places, key=lambda place: unit("tag-level", place))[:num])
    if common <= 0 and not rule.rates:
        return places
    return [place for place in places if unit("tag-dropout", place) >= rule.rate(tags[place], common)]


def _num_kept(num: int, levels: Sequence[tuple[float, float]], drawn: float) -> int:
    reached = 0.0
    for often, share in levels:
        reached += often
        if drawn < reached:
            return min(num, math.floor(share * num + 0.5))
    return num
