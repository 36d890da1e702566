"""Items as rows of a table, for formats that are read by anybody: a caption, and what else is known of an image."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal, NamedTuple

from datakit.exports.captions import without_separator
from datakit.exports.model import ExportItem, Material, Subset
from datakit.model.record import Record, compact_json

Split = Literal["train", "validation"]
SPLITS: Final[tuple[Split, ...]] = ("train", "validation")
HELD: Final = frozenset({"repeats", "loss-weight", "reg", "validation", "masks", "class-tokens"})
"""What rows say of an image (`Export.can`)."""
_JOINT: Final = ", "
_CATEGORIES: Final = ("artist", "character", "copyright")


class Member(NamedTuple):
    """An item, and the subset that it is of."""

    subset: Subset
    item: ExportItem


def members(material: Material) -> Iterator[Member]:
    """Every item, subset by subset."""
    return (Member(subset, item) for subset in material.subsets for item in subset.items)


def split_of(subset: Subset) -> Split:
    """Which split a subset's images are of."""
    return "validation" if subset.is_validation else "train"


def text_of(member: Member, material: Material) -> str:
    """The caption without the separator; class tokens where there is none."""
    caption = without_separator(member.item.caption, material.common.keep_tokens_separator)
    return caption or member.subset.class_tokens


def row_of(member: Member, material: Material, *, records: bool) -> dict[str, Any]:
    """The columns of an item. They are the same for all items, and none is ever null: readers guess a column's type
    from the first rows, and refuse splits whose types differ."""
    subset, item = member
    return {
        "text": text_of(member, material),
        "concept": subset.concept,
        "repeats": subset.repeats,
        "loss_weight": float(subset.loss_weight),
        "is_reg": subset.is_reg,
        "width": item.size_px[0],
        "height": item.size_px[1],
        "sha256": item.image.sha256,
        **(record_columns(item.record) if records else {}),
    }


def record_columns(record: Record | None) -> dict[str, str]:
    """What a site says of an image, each as text; '' where it says nothing."""
    known = record or Record(sha256="", size_bytes=0, original="", imported_at="")
    return {
        "rating": known.rating,
        "site": known.site,
        "post_id": known.post_id,
        "source": known.urls[0] if known.urls else "",
        **{category: _JOINT.join(known.tags.get(category, ())) for category in _CATEGORIES},
    }


def sharded(found: Sequence[Member], *, most_bytes: int, most_images: int = 0) -> list[list[Member]]:
    """Members in shards, in their order: each as full as the limits allow; an image over the limit has one to itself.

    Args:
        found: the members of one split.
        most_bytes: of the images in a shard.
        most_images: 0 for no limit.
    """
    shards: list[list[Member]] = []
    size_bytes = 0
    for member in found:
        is_full = size_bytes + member.item.image.size_bytes > most_bytes
        if not shards or is_full or (most_images and len(shards[-1]) >= most_images):
            shards.append([])
            size_bytes = 0
        shards[-1].append(member)
        size_bytes += member.item.image.size_bytes
    return shards


def digest_of(*parts: object) -> str:
    """What changes when any of the parts does."""
    return hashlib.sha256(compact_json(parts)).hexdigest()
