"""Hugging Face imagefolder: a folder for each split, with a `metadata.jsonl` that has the captions.

Writes `<split>/<subset>/<stem>.<ext>` and in each split a `metadata.jsonl` with a row for each image: `file_name`,
`text`, and beside them concept, repeats, loss_weight, is_reg, width, height and sha256; with `records` also what the
site says. `load_dataset("imagefolder", data_dir=…)` reads it with a column `image`, as most scripts for captions and
finetunes do. Subsets that are held back are the split `validation`. Masks become a column of images `mask`, where
every image has one.

datasets takes a folder called `test`, or `dev-2`, anywhere in the path, for a split of that name; such a subset's
folder is written with an x before the word. An image without a row is dropped without a word, so every image has one.
Columns are never null and have the same types in both splits: datasets guesses types from the first rows.

Source: huggingface/datasets src/datasets/packaged_modules/folder_based_builder/folder_based_builder.py (rows, types),
src/datasets/data_files.py (which folders are splits).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.expressing import some
from datakit.exports.model import Export, Material, Plan, Subset
from datakit.exports.rows import HELD, Member, members, row_of, split_of
from datakit.model.item import ImageRef
from datakit.model.record import compact_json

METADATA: Final = "metadata.jsonl"
MASKS: Final = "masks"
_WORDS: Final[dict[str, str]] = {
    "train": "training|train",
    "validation": "validation|valid|dev|val",
    "test": "testing|test|evaluation|eval",
}
"""Split → what datasets takes for it, as a word of a folder's name; within the split itself it does no harm."""
_FOREIGN: Final = {
    split: re.compile(
        rf"(?:^|(?<=[-._ 0-9]))(?=(?:{'|'.join(words for name, words in _WORDS.items() if name != split)})"
        r"(?:[-._ 0-9]|$))"
    )
    for split in _WORDS
}
_HIDDEN: Final = "__"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.imagefolder]`."""

    records: bool = False
    """Columns rating, site, post_id, source, artist, character and copyright too, from the records."""


def folders_of(material: Material) -> dict[str, str]:
    """Subset → a folder's name that datasets takes for no split, and no hidden folder."""
    names = [subset.name for subset in material.subsets]
    return dict(zip(names, unique_names([MASKS, *map(_plain_folder, material.subsets)])[1:], strict=True))


def _plain_folder(subset: Subset) -> str:
    name = f"x{subset.name}" if subset.name.startswith(_HIDDEN) else subset.name
    return _FOREIGN[split_of(subset)].sub("x", name)


def laid_out(material: Material, member: Member, folders: Mapping[str, str]) -> str:
    """Path of an image."""
    return f"{split_of(member.subset)}/{folders[member.subset.name]}/{member.item.file}"


def _plan(material: Material) -> Plan:
    folders = folders_of(material)
    found = list(members(material))
    with_masks = all(member.item.mask is not None for member in found)
    images: dict[str, ImageRef] = {}
    items: dict[str, str] = {}
    lines: dict[str, list[bytes]] = {}
    for member in found:
        path = laid_out(material, member, folders)
        images[path] = member.item.image
        items[member.item.key] = path
        row = {"file_name": _below_split(path), **row_of(member, material, records=material.settings.records)}
        if with_masks and member.item.mask is not None:
            mask = f"{split_of(member.subset)}/{MASKS}/{folders[member.subset.name]}/{member.item.name}.png"
            images[mask] = member.item.mask
            row["mask_file_name"] = _below_split(mask)
        lines.setdefault(split_of(member.subset), []).append(json_line(row))
    texts = {f"{split}/{METADATA}": b"".join(rows) for split, rows in sorted(lines.items())}
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(found, with_masks=with_masks)))


def json_line(row: Mapping[str, Any]) -> bytes:
    """One row; `file_name` first, which people look for."""
    return msgspec.json.encode(row) + b"\n" if _is_utf_8(row) else compact_json(row) + b"\n"


def _is_utf_8(row: Mapping[str, Any]) -> bool:
    return all(value.isascii() or _encodes(value) for value in row.values() if isinstance(value, str))


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _below_split(path: str) -> str:
    return path.partition("/")[2]


def _warnings(found: list[Member], *, with_masks: bool) -> Iterator[str]:
    without = [member.item.key for member in found if member.item.mask is None]
    if not with_masks and len(without) < len(found):
        yield f"no column of masks is written, since images have none: {some(without)}"
    renamed = sorted({one.subset.name for one in found if _plain_folder(one.subset) != one.subset.name})
    if renamed:
        yield f"datasets would take a folder for a split, so these are written with an x: {some(renamed)}"


EXPORT = Export(
    name="imagefolder",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=HELD,
    needs_records=lambda settings: bool(settings.records),
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
)
