"""Images with their captions beside them, for anybody: `<stem>.<ext>` and `<stem>.txt`.

Nearly every tool of the field reads this. A folder for each subset with `layout = "folders"`; everything in one folder
with `layout = "flat"`, where names that would clash are made unique. Every image has a caption file, an empty one
where there is nothing to say, so that no tool takes a caption's absence for a mistake.

Nothing else is written: how often an image is shown, what is held back and how images are weighed are the reader's
to say. Held back and regularization images have folders of their own; in one flat folder they cannot be told apart.

Source: kohya-ss/sd-scripts library/train_util.py (captions by stem), and the trainers that follow it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.expressing import some
from datakit.exports.model import Export, Material, Plan
from datakit.exports.rows import Member, members, text_of
from datakit.tags.captions import SEPARATOR


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.txt-pairs]`."""

    layout: Literal["folders", "flat"] = "folders"
    """A folder for each subset, or one for all."""
    tag_separator: str = SEPARATOR
    """What stands between tags; a line break writes one tag a line."""


def _plan(material: Material) -> Plan:
    is_flat = material.settings.layout == "flat"
    found = list(members(material))
    stems = unique_names([item.name for _, item in found]) if is_flat else [f"{s.name}/{i.name}" for s, i in found]
    images, texts, items = {}, {}, {}
    for member, stem in zip(found, stems, strict=True):
        path = f"{stem}.{member.item.image.extension}"
        images[path] = member.item.image
        items[member.item.key] = path
        texts[f"{stem}.txt"] = _caption(member, material).encode("utf-8", "backslashreplace")
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(found)) if is_flat else ())


def _caption(member: Member, material: Material) -> str:
    return text_of(member, material).replace(SEPARATOR, material.settings.tag_separator)


def _warnings(found: list[Member]) -> Iterator[str]:
    for words, names in (
        ("held back", sorted({member.subset.name for member in found if member.subset.is_validation})),
        ("regularization images", sorted({member.subset.name for member in found if member.subset.is_reg})),
    ):
        if names:
            yield f"in one flat folder nothing tells these from the others: {words}: {some(names)}"


EXPORT = Export(
    name="txt-pairs",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=frozenset({"class-tokens"}),
    settings=Settings,
    plan=_plan,
)
