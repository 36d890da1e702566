"""Images that look alike, in groups: which one to keep, which others repeat it, and which are variants of it.

An image is a duplicate when both of its hashes say so, either within the distance and the other not far from it, and
the images are alike in a few large cells. pHash sees what a change of colours leaves, dHash what a watermark leaves,
and cells keep apart what is near by chance. Flat images are left out: their hashes tell noise. A variant looks like
another image and is wanted all the same: a post of the same family (parent, child, page), or an image within
`VARIANT_BITS` whose tags differ.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args

import msgspec
import numpy as np
import numpy.typing as npt

from datakit.images.cells import NUM_CELLS, Cells, likeness, mirrored
from datakit.images.hashes import Hashes
from datakit.images.similar import KIN, NEAR, Codes, Numbers, View, distances, stars
from datakit.images.similar import Hashes as HashArray
from datakit.model.stage import Subject

Criterion = Literal["resolution", "format", "score", "captions"]
CRITERIA: Final[tuple[Criterion, ...]] = get_args(Criterion)
DISTANCE: Final = 8
"""Bits of the pHash; see docs/benchmarks.md for what it finds."""
VARIANT_BITS: Final = 4
MIN_DETAIL: Final = 6
"""Least standard deviation of the brightness for which hashes are compared."""
LEAST_LIKENESS: Final = 0.5
"""Of the cells: under brightness, watermarks and crops, of 174 photos and sprites one is at 0.68, the others over 0.95.
Flags and dots that only hashes take for the same are mostly under 0.2."""
_FORMATS: Final = {"png": 3, "tiff": 3, "bmp": 3, "webp": 2, "avif": 2, "jxl": 2, "jpeg": 1, "jpg": 1}
"""What keeps more of an image; any other format counts 0."""
Bits = npt.NDArray[np.bool_]
Post = tuple[str, str, int | None]


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What counts as alike, and what is worth more."""

    distance: Annotated[int, msgspec.Meta(ge=0, le=16)] = DISTANCE
    second_opinion: bool = True
    """Whether the dHash is asked too; without it the pHash alone decides."""
    mirrored: bool = True
    """Whether a mirrored image counts as alike."""
    keep: tuple[Criterion, ...] = CRITERIA
    """What makes one image worth more than another, the most important first; then comes the name."""
    same_tags: float = 1.0
    """Part of all their tags that two images must share for one not to be a variant; 1: any difference makes one."""


def limits_of(settings: Any) -> Limits:
    """The limits that a filter's settings name; what they do not name is as by default."""
    given = {name: getattr(settings, name) for name in Limits.__struct_fields__ if hasattr(settings, name)}
    return Limits(**given)


class Picture(msgspec.Struct, frozen=True, kw_only=True):
    """An image with what decides whether it is kept."""

    key: str
    hashes: Hashes
    size_px: tuple[int, int]
    """(width, height)."""
    format: str
    score: int | None = None
    tags: frozenset[str] = frozenset()
    """Those that say what is to be seen."""
    post: Post | None = None
    """(site, id, page)."""
    relatives: tuple[str, ...] = ()
    """Ids of the post's parent and children."""

    @property
    def is_flat(self) -> bool:
        """Whether there is too little in it for hashes to tell."""
        return self.hashes.detail < MIN_DETAIL

    def worth(self, limits: Limits) -> tuple[float | str, ...]:
        """Smallest for the picture that is worth most: a number for each of `limits.keep`, then its key."""
        width, height = self.size_px
        values: dict[str, float] = {
            "resolution": -width * height,
            "format": -_FORMATS.get(self.format, 0),
            "score": math.inf if self.score is None else -self.score,
            "captions": -len(self.tags),
        }
        return (*(values[name] for name in limits.keep), self.key)


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """An image that looks like the keeper of its group."""

    key: str
    distance: int
    """Bits in which the pHashes differ."""
    dhash_distance: int
    mirrored: bool = False
    variant: str = ""
    """Why it is one: `posts` of one family, or other `tags`; '' for a duplicate."""


class Group(msgspec.Struct, frozen=True, kw_only=True):
    """Images that look alike."""

    keeper: str
    duplicates: tuple[Alike, ...] = ()
    variants: tuple[Alike, ...] = ()


class _Arrays(NamedTuple):
    phash: HashArray
    dhash: HashArray
    phash_mirrored: HashArray
    dhash_mirrored: HashArray
    cells: Cells


class _Likeness(NamedTuple):
    """Of each pair."""

    is_near: Bits
    phash: Numbers
    dhash: Numbers
    is_mirrored: Bits


def picture_of(
    subject: Subject, hashes: Hashes, *, size_px: tuple[int, int], kind: str, tags: frozenset[str]
) -> Picture:
    """An item as groups are made of it; `kind` is its image's format."""
    record = subject.record
    has_post = record is not None and bool(record.post_id)
    return Picture(
        key=subject.key,
        hashes=hashes,
        size_px=size_px,
        format=kind,
        score=record.score if record is not None else None,
        tags=tags,
        post=(record.site, record.post_id, record.page) if record is not None and has_post else None,
        relatives=tuple(filter(None, (record.parent_id, *record.children))) if record is not None and has_post else (),
    )


def group(pictures: Sequence[Picture], limits: Limits) -> list[Group]:
    """The groups of two and more, sorted by their keeper; flat images are in none."""
    ranked = sorted((one for one in pictures if not one.is_flat), key=lambda one: one.worth(limits))
    arrays = _arrays([one.hashes for one in ranked])
    kinship = _Kinship(ranked, limits)

    def judge(first: Numbers, second: Numbers) -> Codes:
        like = _likeness(arrays, first, second, limits)
        return np.where(like.is_near, np.where(kinship.of(first, second, like.phash), KIN, NEAR), 0).astype(np.int8)

    found = stars(len(ranked), _views(arrays, limits), judge)
    members: dict[int, tuple[list[Alike], list[Alike]]] = {}
    for is_kin, goals in ((False, found.keeper), (True, found.kin)):
        seconds = np.flatnonzero((goals != np.arange(len(ranked))) & (goals >= 0))
        like = _likeness(arrays, goals[seconds], seconds, limits)
        for at, (first, second) in enumerate(zip(goals[seconds].tolist(), seconds.tolist(), strict=True)):
            one = Alike(
                key=ranked[second].key,
                distance=int(like.phash[at]),
                dhash_distance=int(like.dhash[at]),
                mirrored=bool(like.is_mirrored[at]),
                variant=("posts" if kinship.are_posts(first, second) else "tags") if is_kin else "",
            )
            members.setdefault(first, ([], []))[is_kin].append(one)
    number = {one.key: at for at, one in enumerate(ranked)}
    groups = []
    for first, (same, kin) in members.items():
        repeats, siblings = _apart(_sorted(same), number, kinship, arrays)
        groups.append(Group(keeper=ranked[first].key, duplicates=repeats, variants=tuple(_sorted([*kin, *siblings]))))
    return sorted(groups, key=lambda one: one.keeper)


def alike(wanted: Hashes, others: Sequence[Hashes], limits: Limits) -> Bits:
    """Which of the others look like one image, as those of a group look like its keeper; a flat image is like none."""
    arrays = _arrays([wanted, *others])
    first, second = np.zeros(len(others), np.int64), np.arange(1, len(others) + 1)
    clear = np.array([one.detail >= MIN_DETAIL for one in others], np.bool_) & (wanted.detail >= MIN_DETAIL)
    found: Bits = _likeness(arrays, first, second, limits).is_near & clear
    return found


def _apart(
    members: list[Alike], number: Mapping[str, int], kinship: _Kinship, arrays: _Arrays
) -> tuple[tuple[Alike, ...], list[Alike]]:
    """(those that repeat the keeper, those that are variants of one that does), of a group's members, nearest first.

    The keeper may be the copy of one picture of a set, from a site that knows nothing of the set.
    """
    numbers = np.array([number[one.key] for one in members], np.int64)
    if not kinship.have_several(numbers):
        return tuple(members), []
    repeats: list[Alike] = []
    siblings: list[Alike] = []
    taken = np.empty(len(members), np.int64)
    for one, at in zip(members, numbers, strict=True):
        others = taken[: len(repeats)]
        second = np.full(len(others), at)
        kin = others[kinship.of(others, second, distances(arrays.phash[others], arrays.phash[second]))]
        if len(kin):
            why = "posts" if kinship.are_posts(int(kin[0]), int(at)) else "tags"
            siblings.append(msgspec.structs.replace(one, variant=why))
        else:
            taken[len(repeats)] = at
            repeats.append(one)
    return tuple(repeats), siblings


def _sorted(members: list[Alike]) -> list[Alike]:
    return sorted(members, key=lambda one: (one.distance, one.key))


def _arrays(hashes: Sequence[Hashes]) -> _Arrays:
    cells = b"".join(one.cells if len(one.cells) == NUM_CELLS else bytes(NUM_CELLS) for one in hashes)
    return _Arrays(
        phash=np.array([one.phash for one in hashes], np.uint64),
        dhash=np.array([one.dhash for one in hashes], np.uint64),
        phash_mirrored=np.array([one.phash_mirrored for one in hashes], np.uint64),
        dhash_mirrored=np.array([one.dhash_mirrored for one in hashes], np.uint64),
        cells=np.frombuffer(cells, np.uint8).reshape(-1, NUM_CELLS),
    )


def _views(arrays: _Arrays, limits: Limits) -> list[View]:
    asked = (arrays.phash, arrays.phash_mirrored) if limits.mirrored else (arrays.phash,)
    views = [View(arrays.phash, asked, limits.distance)]
    if limits.second_opinion:
        asked = (arrays.dhash, arrays.dhash_mirrored) if limits.mirrored else (arrays.dhash,)
        views.append(View(arrays.dhash, asked, limits.distance // 2))
    return views


def _likeness(arrays: _Arrays, first: Numbers, second: Numbers, limits: Limits) -> _Likeness:
    """How alike the images of each pair are, mirrored or not, whichever is nearer."""
    phash = distances(arrays.phash[first], arrays.phash[second])
    dhash = distances(arrays.dhash[first], arrays.dhash[second])
    is_mirrored = np.zeros(len(first), np.bool_)
    if limits.mirrored:
        other_phash = distances(arrays.phash_mirrored[first], arrays.phash[second])
        other_dhash = distances(arrays.dhash_mirrored[first], arrays.dhash[second])
        is_mirrored = other_phash + other_dhash < phash + dhash
        phash = np.where(is_mirrored, other_phash, phash)
        dhash = np.where(is_mirrored, other_dhash, dhash)
    reach = limits.distance
    if not limits.second_opinion:
        return _Likeness(phash <= reach, phash, dhash, is_mirrored)
    is_near = (phash <= reach) & (dhash <= reach * 3 // 2)
    is_near |= (phash <= reach // 2) & (dhash <= reach * 3)
    is_near |= (dhash <= reach // 2) & (phash <= reach * 4)
    at = np.flatnonzero(is_near)
    turned, other = arrays.cells[first[at]], arrays.cells[second[at]]
    turned = np.where(is_mirrored[at, None], mirrored(turned), turned)
    is_near[at] = likeness(turned, other) >= LEAST_LIKENESS
    return _Likeness(is_near, phash, dhash, is_mirrored)


class _Kinship:
    """Which pictures, alike as they are, are variants of each other."""

    def __init__(self, pictures: Sequence[Picture], limits: Limits) -> None:
        self._same = limits.same_tags
        self._sets = [one.tags for one in pictures]
        names: dict[Any, int] = {}
        self._tags = np.array([names.setdefault(one.tags, len(names)) if one.tags else -1 for one in pictures])
        self._posts = np.array([names.setdefault(one.post, len(names)) if one.post else -1 for one in pictures])
        families = _families(pictures)
        roots = [families[one.post[:2]] if one.post else None for one in pictures]
        self._families = np.array([-1 if root is None else names.setdefault(root, len(names)) for root in roots])

    def of(self, first: Numbers, second: Numbers, phash: Numbers) -> Bits:
        """Whether the images of each pair, which look alike, are variants."""
        has_both = (self._tags[first] >= 0) & (self._tags[second] >= 0)
        differ: Bits = has_both & (self._tags[first] != self._tags[second]) & (phash <= VARIANT_BITS)
        if self._same < 1:
            at = np.flatnonzero(differ)
            differ[at] = [
                _share(self._sets[one], self._sets[other]) < self._same
                for one, other in zip(first[at].tolist(), second[at].tolist(), strict=True)
            ]
        differ |= self._related(first, second)
        return differ

    def have_several(self, numbers: Numbers) -> bool:
        """Whether some of these pictures can be variants of each other at all: cheap, and mostly no."""
        tags, families = self._tags[numbers], self._families[numbers]
        tagged, related = tags[tags >= 0], families[families >= 0]
        return len(np.unique(tagged)) > 1 or len(np.unique(related)) < len(related)

    def are_posts(self, first: int, second: int) -> bool:
        """Whether two are different posts, or pages, of one family."""
        return bool(self._related(np.array([first]), np.array([second]))[0])

    def _related(self, first: Numbers, second: Numbers) -> Bits:
        family = self._families[first]
        related: Bits = (family >= 0) & (family == self._families[second])
        related &= self._posts[first] != self._posts[second]
        return related


def _share(left: frozenset[str], right: frozenset[str]) -> float:
    return len(left & right) / len(left | right)


def _families(pictures: Sequence[Picture]) -> dict[tuple[str, str], tuple[str, str]]:
    """(site, post) → a post that stands for all that are parents and children of each other."""
    above: dict[tuple[str, str], tuple[str, str]] = {}

    def root(post: tuple[str, str]) -> tuple[str, str]:
        above.setdefault(post, post)
        while above[post] != post:
            above[post] = above[above[post]]
            post = above[post]
        return post

    for one in pictures:
        if one.post:
            own = root(one.post[:2])
            for relative in one.relatives:
                above[root((one.post[0], relative))] = own
    return {post: root(post) for post in list(above)}
