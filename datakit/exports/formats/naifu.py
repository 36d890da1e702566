"""The images and the dataset's section of naifu.

Writes `images/<subset>/<stem>.<ext>` with `<stem>.txt` beside each, and `dataset.yaml` with the sections `dataset`,
`trainer` and `advanced` as far as they are about data. A starter config is a whole config, `config.yaml`. Images that
are held back lie in `validation/`, where naifu does not look.

naifu walks through all folders below `img_path`. It repeats an image whose path holds a word of `repeat_strategy`; the
words written are the beginnings of the paths, so that nothing else can hold them. A caption is its whole file, read in
the computer's encoding (on Windows set `PYTHONUTF8=1`). Tags are shuffled by a function of its data/processors.py:
where tags stay in front, captions are written with ` ||| ` behind those, which that function reads and takes out. Its
own list of captions (`dataset.json`) belongs to latents that scripts/encode_latents_xl.py writes; that script makes it
from these captions. Caption dropout takes away what the model is told of an image, its size too, not the words alone.

Source: Mikubill/naifu data/bucket.py (buckets, batches), data/image_storage.py (files, captions, repeat_strategy),
data/processors.py (shuffling), modules/train_sdxl.py (condition_dropout_rate), config/train_sdxl.yaml.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from datakit.exports.captions import joined, without_separator
from datakit.exports.configs.naifu import config, recipe_warnings
from datakit.exports.configs.yaml_text import yaml_text
from datakit.exports.expressing import bare, some
from datakit.exports.model import Export, Material, Plan, Subset
from datakit.exports.recipes.model import Recipe
from datakit.exports.rows import Member, members, text_of
from datakit.exports.settings import Common
from datakit.model.item import ImageRef

_ROOT: Final = "images"
_AREA_STEP_PX: Final = 4096
"""naifu stops at an area that is no multiple of it."""
_BAR: Final = "|||"
"""What naifu's own function parts fixed tags by; there is no setting for it."""
_TOKENS: Final = 225


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.naifu]`."""

    central_crop: bool = True
    """Cut images in the middle to the shape of their bucket, and not anywhere."""


def _plan(material: Material) -> Plan:
    images: dict[str, ImageRef] = {}
    texts: dict[str, bytes] = {}
    items: dict[str, str] = {}
    for member in members(material):
        folder = _folder(member.subset)
        images[f"{folder}/{member.item.file}"] = member.item.image
        items[member.item.key] = f"{folder}/{member.item.file}"
        if caption := _caption(member, material):
            texts[f"{folder}/{member.item.name}.txt"] = caption.encode()
    texts["dataset.yaml"] = yaml_text(_head(material), sections(material))
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _folder(subset: Subset) -> str:
    return f"{'validation' if subset.is_validation else _ROOT}/{subset.name}"


def _caption(member: Member, material: Material) -> str:
    if not (_has_fixed_tags(material) and member.item.caption):
        return text_of(member, material)
    fixed, moving = _parted(member.item.caption, material.common)
    return f"{joined(fixed)} {_BAR} {joined(moving)}".strip()


def _has_fixed_tags(material: Material) -> bool:
    """Whether tags are shuffled and some of them stay in front."""
    return material.common.shuffle_caption and any(
        _parted(item.caption, material.common)[0] for subset in material.subsets for item in subset.items
    )


def _parted(caption: str, common: Common) -> tuple[list[str], list[str]]:
    """(Tags that stay in front, those that move); a separator comes before a number of tags, as in sd-scripts."""
    separator = common.keep_tokens_separator
    fixed, found, moving = caption.partition(separator) if separator else (caption, "", "")
    if found:
        return _tags(fixed), _tags(without_separator(moving, separator))
    tags = _tags(caption)
    return tags[: common.keep_tokens], tags[common.keep_tokens :]


def _tags(caption: str) -> list[str]:
    return [tag.strip() for tag in caption.split(",") if tag.strip()]


def sections(material: Material) -> dict[str, Any]:
    """What of naifu's config is about data."""
    common = material.common
    rate = common.caption_dropout_rate
    return {
        "trainer": {"batch_size": common.batch_size},
        **({"advanced": {"condition_dropout_rate": rate}} if rate else {}),
        "dataset": {
            "name": f"data.bucket.{'AdaptiveSizeDataset' if _shrinks_only(common) else 'AspectRatioDataset'}",
            "img_path": material.place(_ROOT),
            "label_ext": ".txt",
            **_buckets(common),
            "use_central_crop": material.settings.central_crop,
            "process_batch_fn": _processor(material),
            "max_token_length": _TOKENS,
            **({"repeat_strategy": strategy} if (strategy := list(_repeats(material))) else {}),
        },
    }


def _shrinks_only(common: Common) -> bool:
    return common.enable_bucket and common.bucket_no_upscale


def _buckets(common: Common) -> dict[str, int]:
    area, steps = math.prod(common.sides_px), common.bucket_reso_steps
    if common.enable_bucket:
        # As sd-scripts rounds them: naifu would count its steps from an odd bound.
        shortest = common.min_bucket_reso - common.min_bucket_reso % steps
        longest = common.max_bucket_reso + -common.max_bucket_reso % steps
    else:
        side = math.isqrt(area) // steps * steps
        area, shortest, longest = side * side, side, side
    return {
        "target_area": max(_AREA_STEP_PX, area // _AREA_STEP_PX * _AREA_STEP_PX),
        **({} if _shrinks_only(common) else {"min_size": shortest, "max_size": longest}),
        "divisible": steps,
    }


def _processor(material: Material) -> str:
    if not material.common.shuffle_caption:
        return "data.processors.identical"
    name = "shuffle_prompts_sdstyle" if _has_fixed_tags(material) else "shuffle_prompts"
    return f"data.processors.{name}"


def _repeats(material: Material) -> Iterator[list[str | int]]:
    """[Beginning of paths, repeats]; as Windows writes paths where the folder is one of Windows'."""
    for subset in material.subsets:
        if subset.repeats > 1 and not subset.is_validation:
            start = f"{material.place(_folder(subset))}/"
            yield [start.replace("/", "\\") if "\\" in material.folder else start, subset.repeats]


def _head(material: Material) -> Iterator[str]:
    yield "Written by dsk export; change [export] or [export.naifu] in dsk.toml instead."
    yield "These keys go into a config of naifu, which does not read this file by itself."
    if not material.folder:
        yield "Paths are relative: naifu takes them from the folder that it is started in."
        if any(subset.repeats > 1 for subset in material.subsets):
            yield "On Windows, write repeat_strategy with backslashes."


def _warnings(material: Material) -> Iterator[str]:
    if untold := bare(members(material)):
        yield f"without caption, so that naifu trains an empty prompt: {some(untold)}"
    if not material.folder:
        yield "paths in dataset.yaml are relative: start naifu in the folder that holds it, or make them absolute"
    held_back = [subset.name for subset in material.subsets if subset.is_validation]
    if held_back:
        yield f"naifu validates with nothing; held back in validation/, where it does not look: {some(held_back)}"
    if len(held_back) == len(material.subsets):
        yield "nothing is left to train with: every subset is held back"
    if regular := [subset.name for subset in material.subsets if subset.is_reg]:
        yield f"naifu has no regularization images; these are trained as all others are: {some(regular)}"
    yield from _about_sizes(material)
    if material.recipe is not None:
        yield from recipe_warnings(material, material.recipe)


def _about_sizes(material: Material) -> Iterator[str]:
    common = material.common
    wanted, area = math.prod(common.sides_px), _buckets(common)["target_area"]
    if not common.enable_bucket and (len(set(common.sides_px)) > 1 or area != wanted):
        side, (width, height) = math.isqrt(area), common.sides_px
        yield f"without buckets naifu trains squares of whole steps: {side} px in place of {width} x {height}"
    elif area != wanted:
        yield f"naifu takes areas in steps of {_AREA_STEP_PX} pixels: {area:,} in place of {wanted:,}"
    if _shrinks_only(common):
        short = [one.key for _, one in members(material) if min(one.size_px) < common.bucket_reso_steps]
        if short:
            yield f"shorter than one step of buckets, which stops naifu: {some(short)}"
        if (common.min_bucket_reso, common.max_bucket_reso) != (Common().min_bucket_reso, Common().max_bucket_reso):
            yield "naifu has no bounds of buckets where it never enlarges: min_bucket_reso, max_bucket_reso"


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    return {"config.yaml": config(material, recipe, sections(material))}


EXPORT = Export(
    name="naifu",
    target="naifu",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=frozenset(
        {
            *("repeats", "class-tokens", "resolution", "batch-size", "enable-bucket", "no-upscale", "bucket-steps"),
            *("bucket-bounds", "shuffle", "keep-tokens", "separator", "caption-dropout"),
            *("reg", "validation"),  # not held: `_warnings` tells what becomes of them
        }
    ),
    is_bound=lambda settings: True,
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
    configure=_configure,
)
