"""What a tagger sees in an image, held against what its caption says. Pure.

A tag that is seen and not said is a leak: the model has to put it down to some other word of the caption, most likely
to the trigger, and then it is in every image that the trigger calls. A tag that is said and not seen teaches nothing.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import msgspec

from datakit.tags.captions import BAR, parse_tags, split_prose
from datakit.tags.emphasis import strip_emphasis
from datakit.tags.names import to_prompt

_PIECES: Final = re.compile(r"[,\r\n]|\|\|\|")
_PROSE_WORDS: Final = 5
"""A piece between commas of so many words is a sentence rather than a tag."""


def _nothing(tag: str) -> frozenset[str]:
    del tag
    return frozenset()


class Relations(NamedTuple):
    """What is known of how tags hang together; by default nothing."""

    canonical: Callable[[str], str] = str
    """The tag that an alias stands for; any other as it is."""
    implied: Callable[[str], frozenset[str]] = _nothing
    """All that a tag implies, without itself."""
    rivals: Mapping[str, frozenset[str]] = {}
    """Tag → those that exclude it."""


UNRELATED: Final = Relations()


class Sight(msgspec.Struct, frozen=True, kw_only=True):
    """What taggers see in one image; canonical names."""

    taken: Mapping[str, float]
    """Tag → score, 0 to 1, of those whose score passes the taggers' own thresholds."""
    scores: Mapping[str, float]
    """Tag → score, of what any of them sees at all and of what was asked for; empty where nobody asked."""


class Said(NamedTuple):
    """What a caption says."""

    tags: frozenset[str]
    """Canonical, aliases resolved."""
    everything: frozenset[str]
    """With what they imply."""
    prose: str
    """Its sentences, lower case, single blanks, one at both ends; '' where there are none."""


def said_by(caption: str, relations: Relations = UNRELATED) -> Said:
    """Read a caption of any layout: canonical names or prompt format, emphasis and sentences included."""
    listed, described = split_prose(caption)
    plain = strip_emphasis(listed.replace(BAR, ","))
    tags = frozenset(map(relations.canonical, parse_tags(plain)))
    sentences = [piece for piece in _PIECES.split(listed) if len(piece.split()) >= _PROSE_WORDS]
    prose = " ".join(re.findall(r"[\w'():-]+", " ".join([*sentences, described]).lower()))
    return Said(tags, tags.union(*map(relations.implied, tags)), f" {prose} " if prose else "")


def leaking(said: Said, taken: Mapping[str, float], relations: Relations = UNRELATED) -> dict[str, float]:
    """The tags that are seen and not said, with their scores, the likeliest first.

    A tag is said also by one that implies it, or by a sentence that has its words. What is implied by another leak is
    none of its own, and what a tag of the caption excludes is a contradiction and no leak.
    """
    found = {tag: score for tag, score in taken.items() if tag not in said.everything and not _told(tag, said.prose)}
    found = {tag: score for tag, score in found.items() if said.tags.isdisjoint(relations.rivals.get(tag, ()))}
    carried = frozenset().union(*map(relations.implied, found))
    kept = {tag: score for tag, score in found.items() if tag not in carried}
    return dict(sorted(kept.items(), key=lambda row: (-row[1], row[0])))


def unseen(
    said: Said, scores: Mapping[str, float], relations: Relations = UNRELATED, *, below: float
) -> dict[str, float]:
    """The tags that are said and whose score is below a limit, the least likely first.

    `scores` has all that could be seen; of what is not in it nothing is known. A tag that another one implies is seen
    as well as that one.
    """
    best = dict(scores)
    for tag, score in scores.items():
        if score >= below:
            for carried in relations.implied(tag):
                best[carried] = max(score, best.get(carried, 0.0))
    found = {tag: best[tag] for tag in said.tags if tag in scores and best[tag] < below}
    return dict(sorted(found.items(), key=lambda row: (row[1], row[0])))


class TagRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tag over several images."""

    tag: str
    num_images: int
    mean_score: float
    samples: tuple[str, ...]
    """Some of the items, the plainest case first."""


def by_tag(items: Mapping[str, Mapping[str, float]], *, most_first: bool = True, num_samples: int = 3) -> list[TagRow]:
    """Item → tag → score, summed up: the tags of most images first, of equals the higher mean score.

    With `most_first` off, of equals the lower: a score that is too low.
    """
    sign = -1 if most_first else 1
    scores: dict[str, list[tuple[float, str]]] = defaultdict(list)
    for key, tags in items.items():
        for tag, score in tags.items():
            scores[tag].append((sign * score, key))
    rows = [
        TagRow(
            tag=tag,
            num_images=len(found),
            mean_score=round(sign * sum(score for score, _ in found) / len(found), 4),
            samples=tuple(key for _, key in sorted(found)[:num_samples]),
        )
        for tag, found in scores.items()
    ]
    return sorted(rows, key=lambda row: (-row.num_images, sign * row.mean_score, row.tag))


def _told(tag: str, prose: str) -> bool:
    return bool(prose) and f" {to_prompt(tag)} " in prose
