"""What a dataset card tells, counted from what is exported."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from statistics import median_low
from typing import Final

from datakit.actions.exporting.buckets import bucket_counts
from datakit.actions.linting.context import token_counter
from datakit.exports.card import ConceptRow, sorted_splits
from datakit.exports.model import Material, Subset
from datakit.exports.rows import Member, members, row_of, split_of, text_of
from datakit.exports.settings import Common
from datakit.lint.facts.tokencounts import word_counts
from datakit.tags.captions import tags_in
from datakit.tags.tokens import CHUNK

ADULT_RATINGS: Final = frozenset({"questionable", "explicit"})
_ADULT_TAGS: Final = ADULT_RATINGS | {f"rating:{name}" for name in ADULT_RATINGS} | {"nsfw"}
"""Where a caption says it itself."""
_SHOWN_TAGS: Final = 40
_SHOWN_ROWS: Final = 12
_TYPES: Final[Mapping[type, str]] = {str: "string", int: "int64", float: "float64", bool: "bool"}


def is_adult(member: Member) -> bool:
    """Whether its record, or its caption, says that an image is not for everybody."""
    record = member.item.record
    return (record is not None and record.rating in ADULT_RATINGS) or bool(
        _ADULT_TAGS.intersection(tags_in(member.item.caption))
    )


def split_sizes(found: Iterable[Member]) -> dict[str, tuple[int, int]]:
    """Split → (images, bytes)."""
    sizes: dict[str, tuple[int, int]] = {}
    for member in found:
        number, size_bytes = sizes.get(split_of(member.subset), (0, 0))
        sizes[split_of(member.subset)] = (number + 1, size_bytes + member.item.image.size_bytes)
    return sizes


def features_in(material: Material, format_name: str) -> dict[str, str]:
    """Column → its type, in the order in which the format has them."""
    found = list(members(material))
    columns = {name: _TYPES[type(value)] for name, value in _first_row(material, found).items()}
    masks = [member.item.mask is not None for member in found]
    if format_name == "parquet":
        return {"image": "image", **({"mask": "image"} if any(masks) else {}), **columns}
    return {"image": "image", **columns, **({"mask": "image"} if all(masks) else {})}


def _first_row(material: Material, found: Sequence[Member]) -> dict[str, object]:
    return row_of(found[0], material, records=material.settings.records)


def concept_rows(subsets: Iterable[Subset]) -> tuple[ConceptRow, ...]:
    """A row for each subset."""
    return tuple(
        ConceptRow(
            concept=subset.concept,
            split=split_of(subset),
            num_images=len(subset.items),
            repeats=subset.repeats,
            is_reg=subset.is_reg,
        )
        for subset in subsets
    )


def counted(material: Material) -> dict[str, object]:
    """The fields of CardFacts that are numbers of images and captions."""
    found = list(members(material))
    sides = sorted(min(member.item.size_px) for member in found)
    texts = [text_of(member, material) for member in found]
    counter = word_counts(token_counter())
    tokens = sorted(map(counter.of, texts))
    records = [member.item.record for member in found]
    return {
        "splits": sorted_splits(split_sizes(found)),
        "concepts": concept_rows(material.subsets),
        "sides_px": (sides[0], median_low(sides), sides[-1]),
        "sizes": _most(Counter(_size(member.item.size_px) for member in found), _SHOWN_ROWS),
        "buckets": _most(_buckets(found, material.common), _SHOWN_ROWS),
        "resolution_px": material.common.sides_px,
        "tokens": (median_low(tokens), tokens[-1], sum(number > CHUNK for number in tokens)),
        "num_without_caption": sum(not text for text in texts),
        "tags": _most(Counter(tag for text in texts for tag in set(tags_in(text))), _SHOWN_TAGS),
        "ratings": _most(Counter(record.rating if record else "" for record in records)),
        "sites": _most(Counter(record.site if record else "" for record in records)),
        "is_adult": any(map(is_adult, found)),
    }


def _buckets(found: Iterable[Member], common: Common) -> Counter[str]:
    counts = bucket_counts(((member.item.size_px, 1) for member in found), common)
    return Counter({_size(bucket): number for bucket, number in counts.items()})


def _size(size_px: tuple[int, int]) -> str:
    return f"{size_px[0]} × {size_px[1]}"


def _most(counts: Counter[str], limit: int | None = None) -> dict[str, int]:
    """The most frequent first; of equally frequent ones in the alphabet's order."""
    ranked = sorted(counts.items(), key=lambda row: (-row[1], row[0]))
    return dict(ranked[:limit])


def chosen_for_sheet(material: Material, number: int) -> list[Member]:
    """Images for the card's picture: one of each concept in turn, the same ones each time, none for adults only."""
    by_concept: dict[str, list[Member]] = {}
    for member in members(material):
        if not is_adult(member) and not member.subset.is_reg:
            by_concept.setdefault(member.subset.concept, []).append(member)
    for found in by_concept.values():
        found.sort(key=lambda member: hashlib.sha256(member.item.key.encode("utf-8", "backslashreplace")).digest())
    deepest = max(map(len, by_concept.values()), default=0)
    turns = (found[turn] for turn in range(deepest) for found in by_concept.values() if turn < len(found))
    return [member for member, _ in zip(turns, range(number), strict=False)]
