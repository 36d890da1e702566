"""How posts were received, compared with each other: the place of each among the posts of its dataset.

The percentile of a post is its mid-rank among the posts that it is compared with, itself included: 100 · (those below
it + half of those equal to it) / all. So equal posts share a place, the order of posts plays no part, and all posts
of one kind stand at 50. Nothing is measured by a clock: age counts from the dataset's newest post.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime

import msgspec

from datakit.model.record import Record
from datakit.tags.profiles.profile import Measure, Quality

_DAY_S = 86_400
_MOST = 1 << 53
"""Of a measure: what a float holds exactly, and more than anybody ever counted."""


class Ranking(msgspec.Struct, frozen=True, kw_only=True):
    """What the posts of a dataset have, sorted."""

    quality: Quality
    groups: Mapping[tuple[str, ...], Sequence[float]] = {}
    """(measure, and what `quality.by` names) → values, lowest first."""
    newest_s: float | None = None
    """When the newest post was made, in Unix seconds; None where no post has a date."""


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """Which words a post gets for how it was received, and why."""

    words: tuple[str, ...] = ()
    reason: str = ""
    """For people: `favorites above 95 % of 120 posts (danbooru)`."""
    lacks: str = ""
    """Why there can be no word: what the record lacks, or that there are too few posts; '' where there can."""


def rank_posts(quality: Quality, records: Iterable[Record | None]) -> Ranking:
    """Sort what the posts have that can be compared."""
    posts = [record for record in records if record is not None]
    newest = max((made for post in posts if (made := moment(post.created_at)) is not None), default=None)
    groups: dict[tuple[str, ...], list[float]] = defaultdict(list)
    for post in posts:
        measured = _measured(quality, post, newest)
        if measured is not None:
            groups[_group(quality, post, measured[0])].append(measured[1])
    return Ranking(quality=quality, groups={name: sorted(values) for name, values in groups.items()}, newest_s=newest)


def judge(ranking: Ranking, record: Record | None) -> Judgement:
    """What a post's words for quality are; none for one that has nothing to measure."""
    quality = ranking.quality
    measured = _measured(quality, record, ranking.newest_s) if record is not None else None
    if record is None or measured is None:
        dated = " and a date" if quality.half_life_days else ""
        return Judgement(lacks=f"no {' or '.join(quality.measure)}{dated} in the record")
    measure, value = measured
    if quality.scale == "value":
        return _by_value(quality, _bounds(quality), value, measure)
    group = _group(quality, record, measure)
    values = ranking.groups.get(group, ())
    if len(values) < quality.min_posts:
        return _by_fallback(quality, record, measure, len(values))
    twice = bisect_left(values, value) + bisect_right(values, value)  # of the mid-rank, so that it is whole
    bounds = _bounds(quality)
    level = next((at for at, bound in enumerate(bounds) if 50 * twice > bound * len(values)), len(bounds))
    among = f"{len(values):,} posts" + (f" ({', '.join(filter(None, group[1:]))})" if any(group[1:]) else "")
    named = f"{measure}, weighed by age," if quality.half_life_days else measure
    return _judged(quality, level, f"{named} {_span(bounds, level, ' %')} of {among}")


def moment(text: str) -> float | None:
    """Unix seconds of a record's date; None for what is none."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp()


def _measured(quality: Quality, record: Record, newest_s: float | None) -> tuple[Measure, float] | None:
    """(What was measured, its value), lower for older posts where the profile says so."""
    measure = next((name for name in quality.measure if getattr(record, name) is not None), None)
    if measure is None:
        return None
    value = _value(record, measure)
    if not quality.half_life_days:
        return measure, value
    made = moment(record.created_at)
    if made is None or newest_s is None:
        return None
    age_days = max(0.0, newest_s - made) / _DAY_S
    return measure, value * 0.5 ** (age_days / quality.half_life_days) if value > 0 else value


def _value(record: Record, measure: str) -> float:
    return float(max(-_MOST, min(getattr(record, measure), _MOST)))


def _group(quality: Quality, record: Record, measure: str) -> tuple[str, ...]:
    return (measure, *(getattr(record, name) for name in quality.by))


def _bounds(quality: Quality) -> tuple[float, ...]:
    return tuple(level.above for level in quality.levels if level.above is not None)


def _by_fallback(quality: Quality, record: Record, measure: str, num_posts: int) -> Judgement:
    bounds = quality.fallback.of(record.rating) if measure == quality.measure[0] else ()
    if not bounds:
        return Judgement(lacks=f"fewer than {quality.min_posts} posts to compare with")
    found = _by_value(quality, bounds, _value(record, measure), measure)
    posts = "1 post is" if num_posts == 1 else f"{num_posts} posts are"
    return Judgement(words=found.words, reason=f"{found.reason}; {posts} too few to compare")


def _by_value(quality: Quality, bounds: Sequence[float], value: float, measure: str) -> Judgement:
    level = next((at for at, bound in enumerate(bounds) if value > bound), len(bounds))
    return _judged(quality, level, f"{measure} {_span(bounds, level, '')}")


def _span(bounds: Sequence[float], level: int, unit: str) -> str:
    """`above 95 %`; of the last level `not above 30 %`."""
    if level < len(bounds):
        return f"above {bounds[level]:g}{unit}"
    return f"not above {bounds[-1]:g}{unit}" if bounds else "whatever it is"


def _judged(quality: Quality, level: int, reason: str) -> Judgement:
    levels = quality.levels[level:] if quality.cumulative else quality.levels[level : level + 1]
    return Judgement(words=tuple(word for one in levels for word in one.words), reason=reason)
