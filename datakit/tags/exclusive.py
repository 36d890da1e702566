"""Tags that cannot both be true of one image, such as `1girl` and `2girls`: a small table, and the search for them.

The table holds what Danbooru's own definitions exclude, and nothing that is merely rare. `long_hair` and `short_hair`
are not in it: two people may be in the picture.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final

_COUNTS: Final = tuple(
    (f"1{one}", *(f"{number}{one}s" for number in ("2", "3", "4", "5", "6+"))) for one in ("girl", "boy", "other")
)
_MANY: Final = tuple(name for _, *several in _COUNTS for name in (*several, f"multiple_{several[0].removeprefix('2')}"))
_ONE: Final = ("1girl", "1boy")

ONE_OF: Final[tuple[tuple[str, ...], ...]] = _COUNTS
"""Of each row an image has one tag at most."""

NEVER_WITH: Final[tuple[tuple[tuple[str, ...], tuple[str, ...]], ...]] = (
    (("1girl",), ("multiple_girls",)),
    (("1boy",), ("multiple_boys",)),
    (("1other",), ("multiple_others",)),
    (("solo",), (*_MANY, "solo_focus")),
    (("no_humans",), (*_ONE, *_MANY)),
    (("lowres",), ("highres", "absurdres", "incredibly_absurdres")),
)
"""None of the left beside one of the right."""

Rivals = Mapping[str, frozenset[str]]
"""Canonical name → those that exclude it."""


def rivals_of(rows: Iterable[Sequence[str]] = ()) -> Rivals:
    """The table together with rows of one's own, of which an image has one tag at most; canonical names."""
    found: dict[str, set[str]] = defaultdict(set)
    for row in (*ONE_OF, *rows):
        for tag in row:
            found[tag].update(row)
    for left, right in NEVER_WITH:
        for one in left:
            found[one].update(right)
        for other in right:
            found[other].update(left)
    return {tag: frozenset(others - {tag}) for tag, others in found.items()}


def conflicts(tags: Collection[str], rivals: Rivals) -> list[tuple[str, str]]:
    """Each pair that excludes each other, in the order of the tags; `tags` is asked for each of its own."""
    suspects = [tag for tag in tags if tag in rivals]
    if len(suspects) < 2:
        return []
    return [(one, other) for at, one in enumerate(suspects) for other in suspects[at + 1 :] if other in rivals[one]]
