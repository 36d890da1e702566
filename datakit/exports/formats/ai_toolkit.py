"""The datasets of a job of ai-toolkit.

Writes `images/<subset>/<stem>.<ext>` with `<stem>.txt` beside each, `masks/<subset>/<stem>.png`, and `dataset.yaml`
with one dataset for each subset: its keys go below `config.process[0]` of a job. A starter config is a whole job,
`config.yaml`. Images that are held back lie in `validation/` and are named in `train.validation_config`.

ai-toolkit cuts captions at "," and joins them by ", ", which doubles each blank behind a comma; so captions are
written without it, and read as they stand in the dataset. Only where it shuffles does it cut twice, and blanks double.
It shuffles every tag; what is kept is kept from dropout only. Where one image of a batch has a mask, an image without
one counts for nothing, so that in a subset with masks an image without gets a white one. Regularization images fill
every second step, whatever their number. A mirrored image is one more image: epochs get twice as long. Images are
never enlarged, buckets are multiples of 16 whatever is set, and a batch that is not full is filled up with repetitions.
What it computes (`.aitk_size.json`, `_latent_cache`) it writes beside the images.

Source: ostris/ai-toolkit toolkit/config_modules.py (DatasetConfig, ValidationConfig), toolkit/data_loader.py (files,
repeats, mirroring), toolkit/dataloader_mixins.py (captions, masks, buckets), toolkit/buckets.py,
toolkit/data_transfer_object/data_loader.py (batches), extensions_built_in/sd_trainer/SDTrainer.py (loss_multiplier),
jobs/process/BaseSDTrainProcess.py (regularization, validation).
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from datakit.exports.captions import fixed_tags
from datakit.exports.configs.ai_toolkit import job, recipe_warnings
from datakit.exports.configs.yaml_text import yaml_text
from datakit.exports.expressing import bare, some
from datakit.exports.model import Export, Material, Plan, Subset
from datakit.exports.recipes.model import Recipe
from datakit.exports.rows import Member, members, text_of
from datakit.model.item import ImageRef

_UNSEEN: Final = "_controls"
"""Images directly in a folder of this name are left out."""
_VALIDATE_EVERY_STEPS: Final = 100


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.ai-toolkit]`."""

    mask_min_value: float = 0.0
    """How much the loss counts where a mask is black."""


def _plan(material: Material) -> Plan:
    images: dict[str, ImageRef] = {}
    texts: dict[str, bytes] = {}
    items: dict[str, str] = {}
    for member in members(material):
        folder = _folder(member.subset)
        path = f"{folder}/{member.item.file}"
        images[path] = member.item.image
        items[member.item.key] = path
        if caption := _caption(member, material):
            texts[f"{folder}/{member.item.name}.txt"] = caption.encode()
        if _has_masks(member.subset, material):
            mask = f"{_mask_folder(member.subset)}/{member.item.name}.png"
            if member.item.mask is not None:
                images[mask] = member.item.mask
            else:
                texts[mask] = white_png()
    texts["dataset.yaml"] = yaml_text(_head(material), sections(material))
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _folder(subset: Subset) -> str:
    name = f"_{subset.name}" if subset.name == _UNSEEN else subset.name
    return f"{'validation' if subset.is_validation else 'images'}/{name}"


def _mask_folder(subset: Subset) -> str:
    return f"masks/{_folder(subset).partition('/')[2]}"


def _has_masks(subset: Subset, material: Material) -> bool:
    """ai-toolkit reads no masks where there are no buckets, and none to validate with."""
    may_have = material.common.enable_bucket and not subset.is_validation
    return may_have and any(item.mask is not None for item in subset.items)


def _caption(member: Member, material: Material) -> str:
    """A caption's file, '' for none: class tokens are the dataset's default caption."""
    return _uncut(text_of(member, material)) if member.item.caption else ""


def _uncut(caption: str) -> str:
    """The caption without what the trainer adds to it."""
    return caption.replace(", ", ",")


def white_png() -> bytes:
    """A white pixel: stretched to an image's size, a mask of which all counts."""
    rows = zlib.compress(b"\0\xff")
    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", rows), (b"IEND", b""))
    written = (struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in
               chunks)  # fmt: skip
    return b"\x89PNG\r\n\x1a\n" + b"".join(written)


def sections(material: Material) -> dict[str, Any]:
    """What of a job's process tells about the data: its datasets, and a part of `train`."""
    train = {
        **({} if material.common.enable_bucket else {"batch_size": material.common.batch_size}),
        **_validation(material),
    }
    return {"datasets": list(_datasets(material)), **({"train": train} if train else {})}


def _datasets(material: Material) -> Iterator[dict[str, Any]]:
    common = material.common
    for subset in material.subsets:
        if subset.is_validation:
            continue
        yield {
            "folder_path": material.place(_folder(subset)),
            "caption_ext": ".txt",
            **({"default_caption": _uncut(subset.class_tokens)} if subset.class_tokens else {}),
            "num_repeats": subset.repeats,
            **({"is_reg": True} if subset.is_reg else {}),
            "loss_multiplier": float(subset.loss_weight),
            "resolution": side_px(material),
            # Without buckets the trainer refuses a dataset's own batch size.
            **({"batch_size": common.batch_size} if common.enable_bucket else {}),
            "buckets": common.enable_bucket,
            "shuffle_tokens": common.shuffle_caption,
            "keep_tokens": _kept(subset, material),
            "token_dropout_rate": common.caption_tag_dropout_rate,
            "caption_dropout_rate": common.caption_dropout_rate,
            "flip_x": common.flip_aug,
            **(_mask_keys(subset, material) if _has_masks(subset, material) else {}),
        }


def _mask_keys(subset: Subset, material: Material) -> dict[str, Any]:
    return {
        "mask_path": material.place(_mask_folder(subset)),
        "mask_min_value": float(material.settings.mask_min_value),
    }


def side_px(material: Material) -> int:
    """The square of the resolution's area: the trainer knows areas only."""
    return round(math.sqrt(math.prod(material.common.sides_px)))


def _kept(subset: Subset, material: Material) -> int:
    """Tags in front that all captions of the subset keep."""
    return min(_kept_by_item(subset, material), default=0)


def _kept_by_item(subset: Subset, material: Material) -> set[int]:
    common = material.common
    captions = [item.caption for item in subset.items if item.caption]
    return {fixed_tags(caption, common.keep_tokens_separator) or common.keep_tokens for caption in captions}


def _sides(material: Material) -> str:
    width, height = material.common.sides_px
    return f"{width} x {height}"


def _validation(material: Material) -> dict[str, Any]:
    held_back = [
        {
            "image_path": material.place(f"{_folder(member.subset)}/{member.item.file}"),
            "prompt": text_of(member, material),
        }
        for member in members(material)
        if member.subset.is_validation
    ]
    if not held_back:
        return {}
    return {
        "validation_config": {
            "validation_items": held_back,
            "resolution": side_px(material),
            "validate_every_n_steps": _VALIDATE_EVERY_STEPS,
        }
    }


def _head(material: Material) -> Iterator[str]:
    yield "Written by dsk export; change [export] or [export.ai-toolkit] in dsk.toml instead."
    yield "These keys go below config.process[0] of a job; ai-toolkit does not read this file by itself."
    if not material.folder:
        yield "Paths are relative: ai-toolkit takes them from the folder that it is started in."


def _warnings(material: Material) -> Iterator[str]:
    common = material.common
    if untold := bare(members(material)):
        yield f"without caption, so that ai-toolkit trains an empty prompt: {some(untold)}"
    if not material.folder:
        yield "paths in dataset.yaml are relative: start ai-toolkit in the folder that holds it, or make them absolute"
    if all(subset.is_validation or subset.is_reg for subset in material.subsets):
        yield "nothing is left to train with: every subset is held back or of regularization images"
    trained = [subset for subset in material.subsets if not subset.is_validation]
    kept = [subset.name for subset in trained if _kept_by_item(subset, material) - {0}]
    if common.shuffle_caption and kept:
        yield f"ai-toolkit shuffles every tag; the first ones are only kept from dropout: {some(kept)}"
    mixed = [subset.name for subset in trained if len(_kept_by_item(subset, material)) > 1]
    if mixed and common.caption_tag_dropout_rate:
        yield f"captions keep different numbers of tags, and ai-toolkit only the least of them: {some(mixed)}"
    masked = [subset.name for subset in trained if any(item.mask for item in subset.items)]
    if masked and not common.enable_bucket:
        yield f"ai-toolkit reads masks only where there are buckets: {some(masked)}"
    if not common.enable_bucket and len(set(common.sides_px)) > 1:
        yield f"without buckets ai-toolkit trains squares: {side_px(material)} px in place of {_sides(material)}"
    if material.recipe is not None:
        yield from recipe_warnings(material.recipe)


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    return {"config.yaml": job(material, recipe, sections(material))}


EXPORT = Export(
    name="ai-toolkit",
    target="ai-toolkit",
    mends=frozenset({"multi-line-caption", "orphaned-caption", "nested-image"}),
    version=1,
    extensions=frozenset({"png", "jpg", "webp"}),
    can=frozenset(
        {
            *("repeats", "loss-weight", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size"),
            *("enable-bucket", "no-upscale", "shuffle", "keep-tokens", "separator"),
            *("caption-dropout", "tag-dropout", "flip"),
        }
    ),
    is_bound=lambda settings: True,
    settings=Settings,
    plan=_plan,
    configure=_configure,
)
