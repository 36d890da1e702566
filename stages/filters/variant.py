"""Nearly the same picture as another, and wanted for what differs: another expression, another costume.

A variant looks like an image that is worth more (see `near-duplicate`, whose distance holds here too), and is another
post of the same family (parent, child, page of one post), or within 4 bits of it with other tags. Whether all of a set
go into training is for a person to decide, so the rule flags them, and drops none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

import msgspec

from datakit.images.looks import FACTS, HASHED
from datakit.model.stage import Subject
from stages.filters.model import Filter, Verdict
from stages.filters.near_duplicate import Settings as NearSettings
from stages.filters.near_duplicate import evidence_of, groups_of

_WHY: Final = {"posts": "a post of the same family", "tags": "other tags"}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.variant]` of dsk.toml."""

    action: Literal["off", "flag"] = "off"
    """`off`, or `flag` images that are variants of another."""
    distance: Annotated[int, msgspec.Meta(ge=0, le=16)] = 8
    """How many of the 64 bits of the pHash may differ."""
    same_tags: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """As for `near-duplicate`."""


def compare(subjects: Sequence[Subject], settings: Settings) -> dict[str, Verdict]:
    """Each variant, with the image that it is a variant of."""
    found = {}
    near = NearSettings(distance=settings.distance, same_tags=settings.same_tags)
    for group in groups_of(subjects, near):
        for one in group.variants:
            evidence: dict[str, Any] = {"keeper": group.keeper, "variant": one.variant, **evidence_of(one)}
            reason = f"a variant of {group.keeper}: {_WHY[one.variant]}, {one.distance} of 64 bits differ"
            found[one.key] = Verdict(reason=reason, evidence=evidence)
    return found


FILTER = Filter(
    name="variant",
    words=("variant", "variants"),
    settings=Settings,
    compare=compare,
    looks=(FACTS, HASHED),
    scope="all",
    rank=65,
)
