"""The same picture as another, in other bytes: resized, recompressed, brightened, watermarked, mirrored.

What is found again and again is learnt by heart. Each image is compared by two perceptual hashes (pHash and dHash of
the image upright and on white, and of its mirror image); of a group, the keeper stays, and each other member is near to
it, not only to some other member. Variants are no duplicates: other posts of one family (parent, child, page of one
post), and images within 4 bits whose tags differ. The rule `variant` flags them. Nearly flat images are not compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec

from datakit.images.looks import FACTS, HASHED
from datakit.model.stage import Subject
from stages.filters.model import Action, Filter, Verdict

_CONTENT = ("character", "copyright", "species", "general")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered.near-duplicate]` of dsk.toml."""

    action: Action = "off"
    """`off`, `flag` or `drop` all but one of the images that look the same."""
    distance: Annotated[int, msgspec.Meta(ge=0, le=16)] = 8
    """How many of the 64 bits of the pHash may differ."""
    second_opinion: bool = True
    """Whether the dHash must agree, and may find what the pHash misses; without it the pHash alone decides. The coarse
    picture of 9 x 8 greys must agree in any case."""
    mirrored: bool = True
    """Whether a mirrored image counts as the same."""
    keep: tuple[Literal["resolution", "format", "score", "captions"], ...] = (
        "resolution",
        "format",
        "score",
        "captions",
    )
    """What makes an image the keeper, the most important first; then the first by name."""
    same_tags: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    """Part of all their tags that two images share for one to be a duplicate and no variant; at 1, any difference makes
    a variant, at 0 none does."""


def compare(subjects: Sequence[Subject], settings: Settings) -> dict[str, Verdict]:
    """All but the keeper and the variants of each group."""
    found = {}
    for group in groups_of(subjects, settings):
        for one in group.duplicates:
            how = ", mirrored" if one.mirrored else ""
            evidence: dict[str, Any] = {"keeper": group.keeper, **evidence_of(one)}
            reason = f"looks like {group.keeper}{how}: {one.distance} of 64 bits differ"
            found[one.key] = Verdict(reason=reason, evidence=evidence)
    return found


def evidence_of(one: Any) -> dict[str, Any]:
    """How near an image of a group is to its keeper."""
    return {"distance": one.distance, "dhash_distance": one.dhash_distance, "mirrored": one.mirrored}


def groups_of(subjects: Sequence[Subject], settings: Settings) -> list[Any]:
    """The groups of images that look alike, as `datakit.images.lookalikes` makes them."""
    from datakit.images.hashes import from_facts
    from datakit.images.lookalikes import group, limits_of, picture_of

    pictures = []
    for subject in subjects:
        hashes = from_facts(subject.facts[HASHED.name])
        if hashes is not None:
            facts = subject.facts[FACTS.name]
            size = (int(facts["oriented_size_px"][0]), int(facts["oriented_size_px"][1]))
            kind, tags = str(facts["format"]), tags_of(subject)
            pictures.append(picture_of(subject, hashes, size_px=size, kind=kind, tags=tags))
    return group(pictures, limits_of(settings))


def tags_of(subject: Subject) -> frozenset[str]:
    """What is said to be seen: of the record, else of the caption that came along."""
    from datakit.tags.captions import parse_tags

    recorded = subject.record.all_tags(_CONTENT) if subject.record is not None else ()
    return frozenset(recorded or parse_tags(subject.scraped_caption or ""))


FILTER = Filter(
    name="near-duplicate",
    words=("near duplicate", "near duplicates"),
    settings=Settings,
    compare=compare,
    looks=(FACTS, HASHED),
    scope="all",
    rank=70,
)
