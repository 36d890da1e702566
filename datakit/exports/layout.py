"""Folders named by repeats, `<repeats>_<subset>`: what sd-scripts and the programs around it read.

sd-scripts takes such folders from the folder that `--train_data_dir` names, and passes over others there: so what must
not be trained lies in `reg/`, `validation/` and `masks/`, where their names begin with no number.

Source: kohya-ss/sd-scripts library/config_util.py (generate_dreambooth_subsets_config_by_subdirs),
library/train_util.py (DreamBoothDataset.read_caption).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import msgspec

from datakit.exports.arranging import unique_names
from datakit.exports.captions import without_separator
from datakit.exports.model import ExportItem, Material, Plan, Subset
from datakit.exports.settings import Common

REG: Final = "reg"
VALIDATION: Final = "validation"
MASKS: Final = "masks"
_FACE_PARTS: Final = 4
"""How many parts sd-scripts takes off a name, in search of the caption of the picture that a face was cut from."""


class Place(NamedTuple):
    """A folder of images that are read alike."""

    subset: Subset
    folder: str
    masks: str = ""
    """The folder of their masks, where each of them has one; '' where none counts."""


def places(material: Material, *, train: str = "", masks: bool = True) -> list[Place]:
    """A folder for each subset, and two where only some of its images have masks.

    `train` is the folder that holds those to train on, with a slash at its end. Only what is trained on has masks.
    """
    parted = [part for subset in material.subsets for part in _parted(subset, masks)]
    parted.sort(key=lambda part: part[1])  # so that those of their own name keep it
    names = unique_names([f"{subset.name}-masked" if is_rest else subset.name for subset, is_rest, _ in parted])
    found = []
    for (subset, _, has_masks), name in zip(parted, names, strict=True):
        folder = _folder(subset, name, train)
        found.append(Place(subset, folder, f"{MASKS}/{folder}" if has_masks else ""))
    return sorted(found, key=lambda place: (place.subset.name, place.masks))


def _parted(subset: Subset, masks: bool) -> Iterator[tuple[Subset, bool, bool]]:
    """(Images that are read alike, whether they are the second part of a subset, whether they have masks)."""
    masked = [item for item in subset.items if item.mask is not None]
    if not masks or not masked or subset.is_reg or subset.is_validation:
        yield subset, False, False
    elif len(masked) == len(subset.items):
        yield subset, False, True
    else:
        bare = [item for item in subset.items if item.mask is None]
        yield msgspec.structs.replace(subset, items=tuple(bare)), False, False
        yield msgspec.structs.replace(subset, items=tuple(masked)), True, True


def _folder(subset: Subset, name: str, train: str) -> str:
    if subset.is_validation:
        return f"{VALIDATION}/1_{name}"  # nothing is repeated there
    return f"{f'{REG}/' if subset.is_reg else train}{subset.repeats}_{name}"


def members(found: Sequence[Place]) -> Iterator[tuple[Place, ExportItem]]:
    """Every item with the folder that it lies in."""
    return ((place, item) for place in found for item in place.subset.items)


def caption_for(item: ExportItem, common: Common) -> str:
    """A caption as sd-scripts is to read it: it would leave the separator in where it shuffles nothing."""
    is_parted = common.shuffle_caption or common.caption_tag_dropout_rate > 0
    bare = without_separator(item.caption, common.keep_tokens_separator)
    return item.caption if is_parted and bare else bare


def separator_of(material: Material) -> str:
    """What parts the captions that are written; '' where nothing does."""
    separator, common = material.common.keep_tokens_separator, material.common
    held = (item for subset in material.subsets for item in subset.items)
    return separator if separator and any(separator in caption_for(item, common) for item in held) else ""


def plan_folders(material: Material, found: Sequence[Place], *, class_tokens: bool) -> Plan:
    """Images, captions and masks; `class_tokens` says whether a setting of the trainer gives those without a caption
    their class tokens, else they are written as captions."""
    images, texts, items = {}, {}, {}
    for place in found:
        captions = {item.name: caption_for(item, material.common) for item in place.subset.items}
        for item in place.subset.items:
            path = f"{place.folder}/{item.file}"
            images[path] = item.image
            items[item.key] = path
            if item.mask is not None and place.masks:
                images[f"{place.masks}/{item.name}.png"] = item.mask
            if text := _text(item.name, captions, place, class_tokens):
                texts[f"{place.folder}/{item.name}.txt"] = text.encode()
    return Plan(images=images, texts=texts, items=items)


def _text(name: str, captions: dict[str, str], place: Place, class_tokens: bool) -> str:
    """The text of an item's caption file; '' for none, since an empty file stops sd-scripts."""
    if captions[name]:
        return captions[name]
    tokens = place.subset.class_tokens
    if tokens and not (class_tokens and not place.masks):
        return tokens  # a dataset with masks knows no class tokens
    parts = name.split("_")
    of_a_face = len(parts) > _FACE_PARTS and captions.get("_".join(parts[:-_FACE_PARTS]))
    return (tokens or "\n") if of_a_face else ""
