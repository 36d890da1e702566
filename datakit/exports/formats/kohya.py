"""The folders and the dataset.toml of sd-scripts, and of dsk bake.

Writes `<repeats>_<concept>/<stem>.<ext>` with `<stem>.txt` beside each, so that folder mode (`--train_data_dir`)
works where there are no regularization or validation images, and a `dataset.toml` for config mode
(`--dataset_config`) with every setting that folder mode leaves to the command line; above all the caption extension,
whose default in sd-scripts is `.caption`. With `metadata` it writes `metadata.json` too, for the finetune scripts
(`--in_json`).

sd-scripts takes a relative `image_dir` from the directory that it is started in, so start it in the export's
folder, or set `image_dirs = "absolute"`.

An empty caption stops sd-scripts, so none is written; class tokens, or an empty prompt, stand in for it.

Source: kohya-ss/sd-scripts library/config_util.py (schema, fallbacks), library/train_util.py (captions, extensions).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from datakit.exports.captions import without_separator
from datakit.exports.expressing import some
from datakit.exports.model import Export, ExportItem, Material, Plan, Subset
from datakit.exports.settings import Common

_GENERAL = ("shuffle_caption", "keep_tokens", "caption_dropout_rate", "caption_tag_dropout_rate", "flip_aug")
_BUCKETS = ("enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso")
_MASKS = "masks"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.kohya]`."""

    image_dirs: Literal["relative", "absolute"] = "relative"
    """Paths in dataset.toml: relative to it, or absolute for a trainer started elsewhere."""
    metadata: bool = False
    """Write metadata.json too, for the finetune scripts' `--in_json`."""


def _plan(material: Material) -> Plan:
    folders = {subset.name: f"{subset.repeats}_{subset.name}" for subset in material.subsets}
    images, texts, items = {}, {}, {}
    for subset, item in _members(material):
        path = f"{folders[subset.name]}/{item.file}"
        images[path] = item.image
        items[item.key] = path
        if caption := caption_for(item, material.common):
            texts[f"{folders[subset.name]}/{item.name}.txt"] = caption.encode()
        if item.mask is not None:
            images[f"{_MASKS}/{folders[subset.name]}/{item.name}.png"] = item.mask
    texts["dataset.toml"] = _dataset_toml(material, folders).encode()
    if material.settings.metadata:
        texts["metadata.json"] = _metadata(material, folders).encode()
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _members(material: Material) -> Iterator[tuple[Subset, ExportItem]]:
    return ((subset, item) for subset in material.subsets for item in subset.items)


def caption_for(item: ExportItem, common: Common) -> str:
    """A caption as sd-scripts is to read it: it would leave the separator in where it shuffles nothing."""
    is_parted = common.shuffle_caption or common.caption_tag_dropout_rate > 0
    return item.caption if is_parted else without_separator(item.caption, common.keep_tokens_separator)


def _warnings(material: Material) -> Iterator[str]:
    bare = [item.key for subset, item in _members(material) if not item.caption and not subset.class_tokens]
    if bare:
        yield f"without caption, so that sd-scripts trains an empty prompt: {some(bare)}"
    if any(subset.is_validation for subset in material.subsets):
        yield "dataset.toml has a dataset of its own to validate with: --train_data_dir would train it"


def _dataset_toml(material: Material, folders: dict[str, str]) -> str:
    import tomlkit

    head = "# Written by dsk export; change [export] or [export.kohya] in dsk.toml instead.\n"
    if material.settings.image_dirs == "relative" or not material.folder:
        head += "# image_dir is relative to this file: sd-scripts must be started in this folder.\n"
    return head + tomlkit.dumps(dataset_tables(material, folders))


def dataset_tables(material: Material, folders: dict[str, str]) -> dict[str, Any]:
    """The tables of a dataset TOML; `folders` has the folder of each subset by its name."""
    common = material.common
    separator = common.keep_tokens_separator
    has_separator = separator and any(separator in caption_for(item, common) for _, item in _members(material))
    general = {
        "caption_extension": ".txt",
        **{name: _plain(getattr(common, name)) for name in _GENERAL if _is_said(common, name)},
        **({"keep_tokens_separator": separator} if has_separator else {}),
    }
    return {"general": general, "datasets": list(_datasets(material, folders))}


def _is_said(common: Common, name: str) -> bool:
    return name != "caption_tag_dropout_rate" or common.caption_tag_dropout_rate > 0


def _plain(value: Any) -> Any:
    """sd-scripts wants rates to be floats, 0.0 rather than 0."""
    return float(value) if isinstance(value, float) else value


def _datasets(material: Material, folders: dict[str, str]) -> Iterator[dict[str, Any]]:
    """One for training, one to validate with, and one for what has masks, which sd-scripts keeps apart."""
    common = material.common
    shared = {
        "resolution": list(common.sides_px),
        "batch_size": common.batch_size,
        **({name: getattr(common, name) for name in _BUCKETS} if common.enable_bucket else {"enable_bucket": False}),
    }
    for is_validation in (False, True):
        for is_masked in (False, True):
            subsets = [
                _subset(subset, folders[subset.name], material)
                for subset in material.subsets
                if subset.is_validation == is_validation and has_masks(subset) == is_masked
            ]
            if subsets:
                yield {**shared, **({"validation_split": 1.0} if is_validation else {}), "subsets": subsets}


def has_masks(subset: Subset) -> bool:
    """Whether every image of the subset has a mask."""
    return all(item.mask is not None for item in subset.items)


def _subset(subset: Subset, folder: str, material: Material) -> dict[str, Any]:
    is_absolute = material.settings.image_dirs == "absolute"
    masks = material.place(f"{_MASKS}/{folder}", absolute=is_absolute)
    return {
        "image_dir": material.place(folder, absolute=is_absolute),
        "num_repeats": subset.repeats,
        **({"class_tokens": subset.class_tokens} if subset.class_tokens else {}),
        **({"is_reg": True} if subset.is_reg else {}),
        **({"conditioning_data_dir": masks} if has_masks(subset) else {}),
    }


def _metadata(material: Material, folders: dict[str, str]) -> str:
    """Image's path, as the dataset config has it → its caption and size; what the finetune scripts read."""
    is_absolute = material.settings.image_dirs == "absolute"
    rows = {
        material.place(f"{folders[subset.name]}/{item.file}", absolute=is_absolute): {
            "caption": without_separator(item.caption, material.common.keep_tokens_separator) or subset.class_tokens,
            "image_size": list(item.size_px),
        }
        for subset, item in _members(material)
    }
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"


EXPORT = Export(
    name="kohya",
    title="sd-scripts",
    target="sd-scripts",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=2,
    can=frozenset(
        {
            *("repeats", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size", "enable-bucket"),
            *("no-upscale", "bucket-steps", "bucket-bounds", "shuffle", "keep-tokens", "separator"),
            *("caption-dropout", "tag-dropout", "flip"),
        }
    ),
    settings=Settings,
    plan=_plan,
    is_bound=lambda settings: settings.image_dirs == "absolute",
)
