"""The dataset.toml of diffusion-pipe, with one directory for each subset.

Writes `images/<subset>/<stem>.<ext>` with one `captions.json` in each folder, `masks/<subset>/<stem>.png`, and
`dataset.toml`; images that are held back lie in `validation/<subset>/`, named in `eval_dataset.toml`. A starter config
adds `config.toml`, the main config, which names both: what is about batches and caption dropout stands there only.

diffusion-pipe computes from captions once. So a caption that changes from step to step is written as `variants`
captions, shuffled and thinned out beforehand with what stays in front left there; an epoch shows the image with each,
and gets so many times as long. captions.json is pure ASCII, since it is read in the computer's encoding. The buckets
are those of sd-scripts, as `size_buckets`, in the order of their shapes: diffusion-pipe picks the wrong ones from
another order. What does not fill a batch in its bucket is left out, the same images in each epoch. An image without
a mask counts whole. It knows no loss weights and no regularization, and writes its cache below the images' folders.

Source: tdrussell/diffusion-pipe utils/dataset.py (DirectoryDataset, captions.json, size_buckets, batches),
models/base.py (masks, cropping), train.py (main config, eval_datasets, uncond_fraction), examples/dataset.toml.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from datakit.exports.captions import fixed_tags, joined, without_separator
from datakit.exports.configs.diffusion_pipe import (
    bucket_shortage,
    main_config,
    recipe_warnings,
    size_buckets,
    toml_text,
)
from datakit.exports.configs.json_text import ascii_json
from datakit.exports.expressing import bare, some
from datakit.exports.model import Export, Material, Plan, Subset
from datakit.exports.recipes.model import Recipe
from datakit.exports.rows import Member, members, text_of
from datakit.exports.settings import Common, Positive
from datakit.model.item import ImageRef

_TRAINED: Final = "images"
_HELD_BACK: Final = "validation"


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.diffusion-pipe]`."""

    variants: Positive = 10
    """How many captions an image gets where tags are shuffled or dropped."""


def _plan(material: Material) -> Plan:
    images: dict[str, ImageRef] = {}
    captions: dict[str, dict[str, list[str]]] = {}
    items: dict[str, str] = {}
    for member in members(material):
        folder = _folder(member.subset)
        images[f"{folder}/{member.item.file}"] = member.item.image
        items[member.item.key] = f"{folder}/{member.item.file}"
        captions.setdefault(folder, {})[member.item.file] = _captions(member, material)
        if member.item.mask is not None:
            images[f"{_mask_folder(member.subset)}/{member.item.name}.png"] = member.item.mask
    texts = {f"{folder}/captions.json": ascii_json(found) for folder, found in captions.items()}
    for name, is_validation in (("dataset.toml", False), ("eval_dataset.toml", True)):
        if tables := dataset_tables(material, is_validation=is_validation):
            texts[name] = toml_text(_head(material), tables)
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _folder(subset: Subset) -> str:
    return f"{_HELD_BACK if subset.is_validation else _TRAINED}/{subset.name}"


def _mask_folder(subset: Subset) -> str:
    return f"masks/{subset.name}"


def changes_captions(common: Common) -> bool:
    """Whether each step is to see another caption."""
    return common.shuffle_caption or common.caption_tag_dropout_rate > 0


def _captions(member: Member, material: Material) -> list[str]:
    caption, common = member.item.caption, material.common
    if not caption or member.subset.is_validation or not changes_captions(common):
        return [text_of(member, material)]
    num_fixed = fixed_tags(caption, common.keep_tokens_separator) or common.keep_tokens
    plain = without_separator(caption, common.keep_tokens_separator).split(", ")
    return [
        joined([*plain[:num_fixed], *_varied(plain[num_fixed:], common, seed=f"{member.item.key} {number}")])
        for number in range(material.settings.variants)
    ]


def _varied(tags: list[str], common: Common, *, seed: str) -> list[str]:
    """Tags as one step sees them; the same ones each time that they are exported."""
    chance = random.Random(hashlib.sha256(seed.encode("utf-8", "backslashreplace")).digest())
    kept = [tag for tag in tags if chance.random() >= common.caption_tag_dropout_rate]
    if common.shuffle_caption:
        chance.shuffle(kept)
    return kept


def dataset_tables(material: Material, *, is_validation: bool) -> dict[str, Any]:
    """The tables of a dataset TOML; none where it would have no directory."""
    directories = [
        {
            "path": material.place(_folder(subset)),
            **({"mask_path": material.place(_mask_folder(subset))} if any(one.mask for one in subset.items) else {}),
            "num_repeats": 1 if is_validation else subset.repeats,
        }
        for subset in material.subsets
        if subset.is_validation == is_validation
    ]
    if not directories:
        return {}
    sizes = [[*size, 1] for size in size_buckets(material.common)]
    return {"size_buckets": sizes, "skip_empty_caption": False, "directory": directories}


def _head(material: Material) -> Iterator[str]:
    yield "Written by dsk export; change [export] or [export.diffusion-pipe] in dsk.toml instead."
    yield "size_buckets are [width, height, frames], and must stay sorted by width / height."
    if not material.folder:
        yield "Paths are relative: diffusion-pipe takes them from the folder that it is started in."


def _warnings(material: Material) -> Iterator[str]:
    common = material.common
    if untold := bare(members(material)):
        yield f"without caption, so that diffusion-pipe trains an empty prompt: {some(untold)}"
    if not material.folder:
        yield "paths in dataset.toml are relative: start diffusion-pipe in the folder that holds it"
    if all(subset.is_validation for subset in material.subsets):
        yield "nothing is left to train with: every subset is held back, and there is no dataset.toml"
    if changes_captions(common):
        times = material.settings.variants
        yield f"captions change beforehand, {times} of each image, so that an epoch is {times} times as long"
    if regular := [subset.name for subset in material.subsets if subset.is_reg]:
        yield f"diffusion-pipe has no regularization images; these are trained as all others are: {some(regular)}"
    if material.recipe is None:
        yield from _left_to_main_config(material)
    else:
        batch = material.recipe.batch_size * material.recipe.gradient_accumulation
        yield from bucket_shortage(material, batch, times=times_shown(material))
        yield from recipe_warnings(material.recipe)
        return
    yield from bucket_shortage(material, common.batch_size, times=times_shown(material))


def times_shown(material: Material) -> int:
    """How often an epoch shows an image that is not repeated."""
    return material.settings.variants if changes_captions(material.common) else 1


def _left_to_main_config(material: Material) -> Iterator[str]:
    """What the dataset's file has no place for, and the main config has."""
    common = material.common
    lines = []
    if common.batch_size != 1:
        lines.append(f"micro_batch_size_per_gpu = {common.batch_size}")
    if common.caption_dropout_rate:
        lines.append(f"uncond_fraction = {common.caption_dropout_rate}")
    if any(subset.is_validation for subset in material.subsets):
        lines.append("eval_datasets = [{name = 'validation', config = '…/eval_dataset.toml'}]")
    if lines:
        yield f"put into diffusion-pipe's main config, or use --with-config: {'; '.join(lines)}"


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    has_validation = any(subset.is_validation for subset in material.subsets)
    return {
        "config.toml": main_config(
            material, recipe, times=times_shown(material), eval_dataset="eval_dataset.toml" if has_validation else ""
        )
    }


EXPORT = Export(
    name="diffusion-pipe",
    target="diffusion-pipe",
    mends=frozenset({"multi-line-caption", "orphaned-caption", "nested-image", "foreign-file"}),
    version=1,
    can=frozenset(
        {
            *("repeats", "validation", "masks", "class-tokens", "resolution", "batch-size", "enable-bucket"),
            *("bucket-steps", "bucket-bounds", "shuffle", "keep-tokens", "separator", "caption-dropout", "tag-dropout"),
            "reg",  # not held: `_warnings` tells what becomes of them
        }
    ),
    is_bound=lambda settings: True,
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
    configure=_configure,
)
