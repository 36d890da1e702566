"""The data backends of SimpleTuner: a folder each, and multidatabackend.json.

Writes `<subset>/<stem>.<ext>` with `<stem>.txt` beside each, `masks/<subset>/<name of the image>` where every image
of a subset has a mask, and `multidatabackend.json` (`data_backend_config`) with one backend a subset, one for each
folder of masks, and one for what the text encoders make of captions.

What SimpleTuner does with it:
- Repeats count from 0: an image that is shown three times an epoch has 2.
- An image without a `.txt` stops it. So each has one: its caption, or class tokens; else an empty one, which trains an
  empty prompt and needs a `caption_dropout_probability` over 0, since only then is that prompt encoded. Where that
  option is not given it is 0.1.
- Captions are shuffled once: as many orders as `shuffled_captions` says are encoded, and each step takes one of them.
- Buckets are all aspect ratios to two digits, in steps of 64 pixels; `crop_aspect` is `preserve`, so that only what is
  over a bucket's size is cut off. One that cannot fill a batch is left out, or stops it.
- A mask is found by the name of its image, extension included, whatever its format: a PNG may be called `a.jpg`.
- Regularization images hold a LoRA to what the model made of them before; a finetune trains them.
- It writes lists of buckets into each folder of images, never looks twice at an image that it knows by name, and goes
  back to old settings of a backend that it knows by id. So an id, which names all caches, ends in 8 hex digits of what
  its images and settings are.
- Folders are read with all that is below them, so caches lie elsewhere.

Source: bghira/SimpleTuner simpletuner/helpers/data_backend/factory.py (keys), helpers/prompts.py (captions, shuffling),
helpers/metadata/utils/duplicator.py (masks), helpers/metadata/backends/ (buckets, repeats), helpers/training/collate.py
(empty prompts), helpers/training/trainer.py (regularization), documentation/{DATALOADER,DREAMBOOTH}.md.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from datakit.exports.captions import fixed_tags, without_separator
from datakit.exports.configs.json_text import ascii_json
from datakit.exports.configs.simpletuner import (
    BACKENDS_NAME,
    aspect,
    bucket_px,
    buckets,
    configure,
    edge_px,
    recipe_warnings,
    sides_px,
)
from datakit.exports.expressing import some
from datakit.exports.model import Export, ExportItem, Material, Plan, Subset
from datakit.exports.settings import Common

_MASKS: Final = "masks"
_TEXT_ID: Final = "text-embeds"

Shuffles = Annotated[int, msgspec.Meta(ge=1)]


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.simpletuner]`."""

    paths: Literal["absolute", "relative"] = "absolute"
    """Paths in multidatabackend.json: absolute, or relative to where SimpleTuner is started."""
    cache_dir: str = "cache"
    """Where SimpleTuner keeps latents and encoded captions: absolute, or relative to where it is started."""
    shuffled_captions: Shuffles = 5
    """How many orders of a caption's tags are encoded, where captions are shuffled."""
    ids_of_content: bool = True
    """Name backends after their images and settings too, so that nothing is used again that was cached of others."""


def _plan(material: Material) -> Plan:
    images, texts, items = {}, {}, {}
    masks = _masks_folder(material)
    for subset in material.subsets:
        is_masked = has_masks(subset)
        for item in subset.items:
            path = f"{subset.name}/{item.file}"
            images[path] = item.image
            items[item.key] = path
            texts[f"{subset.name}/{item.name}.txt"] = _caption(item, subset, material.common).encode()
            if is_masked and item.mask is not None:
                images[f"{masks}/{path}"] = item.mask
    texts[BACKENDS_NAME] = ascii_json(list(backends(material)))
    return Plan(images=images, texts=texts, items=items, warnings=tuple(_warnings(material)))


def _caption(item: ExportItem, subset: Subset, common: Common) -> str:
    return without_separator(item.caption, common.keep_tokens_separator) or subset.class_tokens


def has_masks(subset: Subset) -> bool:
    """Whether masks are written: every image that is trained alike has one, since SimpleTuner knows all or none."""
    return not subset.is_validation and all(item.mask is not None for item in subset.items)


def _masks_folder(material: Material) -> str:
    """A name that no subset has, whose images they would be taken for."""
    taken, name = {subset.name.casefold() for subset in material.subsets}, _MASKS
    while name in taken:
        name += "_"
    return name


def backends(material: Material) -> Iterator[dict[str, Any]]:
    """The entries of multidatabackend.json."""
    for subset in material.subsets:
        image = _image_backend(subset, material)
        if not has_masks(subset):
            yield image
            continue
        mask_id = f"{image['id']}-mask"
        yield {**image, "conditioning_data": mask_id}
        yield {
            "id": mask_id,
            "type": "local",
            "dataset_type": "conditioning",
            "conditioning_type": "mask",
            "source_dataset_id": image["id"],
            "instance_data_dir": _place(f"{_masks_folder(material)}/{subset.name}", material),
            "caption_strategy": None,
            **_sizes(material),
        }
    yield {
        "id": _TEXT_ID,
        "type": "local",
        "dataset_type": "text_embeds",
        "default": True,
        "cache_dir": f"{_cache(material)}/text",
    }


def _image_backend(subset: Subset, material: Material) -> dict[str, Any]:
    fixed = {
        "type": "local",
        "dataset_type": "eval" if subset.is_validation else "image",
        "instance_data_dir": _place(subset.name, material),
        "caption_strategy": "textfile",
        **_shuffle(subset, material),
        "metadata_backend": "discovery",
        **({"is_regularisation_data": True} if subset.is_reg else {}),
        **_sizes(material),
    }
    name = _id(subset, material, fixed)
    return {
        "id": name,
        **fixed,
        "repeats": 0 if subset.is_validation else subset.repeats - 1,
        **({} if subset.is_validation else {"train_batch_size": _batch(material)}),
        "cache_dir_vae": f"{_cache(material)}/vae/{name}",
    }


def _id(subset: Subset, material: Material, fixed: dict[str, Any]) -> str:
    """`fixed` are the settings that SimpleTuner remembers of an id, and goes back to."""
    if not material.settings.ids_of_content:
        return subset.name
    said = [json.dumps(fixed), *(f"{item.file} {item.image.sha256}" for item in subset.items)]
    return f"{subset.name}-{_digest(chr(10).join(said))}"


def _sizes(material: Material) -> dict[str, Any]:
    """What images are made: cut in the middle, to a bucket of the area asked for or to one shape."""
    width, height = sides_px(material)
    shape: dict[str, Any] = {"crop_aspect": "preserve"}
    if not material.common.enable_bucket:
        is_square = width == height
        shape = {"crop_aspect": "square"} if is_square else _one_aspect((width, height))
    return {
        "resolution": edge_px(material),
        "resolution_type": "pixel_area",
        "minimum_image_size": 0,
        "crop": True,
        "crop_style": "center",
        **shape,
    }


def _one_aspect(size_px: tuple[int, int]) -> dict[str, Any]:
    return {"crop_aspect": "closest", "crop_aspect_buckets": [aspect(size_px)]}


def _shuffle(subset: Subset, material: Material) -> dict[str, Any]:
    """Nothing where images validate, so that losses can be compared."""
    if subset.is_validation or not material.common.shuffle_caption:
        return {}
    return {
        "caption_shuffle": {
            "enable": True,
            "count": material.settings.shuffled_captions,
            "seed": material.recipe.seed if material.recipe else 0,
            "split_on": "comma",
            "position_start": max((material.common.keep_tokens, *_fixed(subset, material.common))),
            "include_original": False,
        }
    }


def _fixed(subset: Subset, common: Common) -> set[int]:
    """How many tags stand before the separators of a subset's captions."""
    return {fixed_tags(item.caption, common.keep_tokens_separator) for item in subset.items if item.caption}


def _place(name: str, material: Material) -> str:
    return material.place(name, absolute=material.settings.paths == "absolute")


def _cache(material: Material) -> str:
    """Models do not share what they make of images and captions, and SimpleTuner does not tell them apart."""
    root, recipe = material.settings.cache_dir.rstrip("/") or "cache", material.recipe
    return f"{root}/{recipe.architecture}-{_digest(recipe.base)}" if recipe else root


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def _batch(material: Material) -> int:
    return material.recipe.batch_size if material.recipe else material.common.batch_size


def _warnings(material: Material) -> Iterator[str]:
    yield from _warnings_of_captions(material)
    yield from _warnings_of_images(material)
    if not material.folder or material.settings.paths == "relative":
        yield f"paths in {BACKENDS_NAME} are relative: SimpleTuner takes them from the folder that it is started in"
    if material.recipe is not None:
        yield from recipe_warnings(material.recipe)
        return
    if rate := material.common.caption_dropout_rate:
        yield f"caption dropout is no part of {BACKENDS_NAME}: set caption_dropout_probability to {rate}"
    if any(subset.is_validation for subset in material.subsets):
        yield "SimpleTuner evaluates where eval_epoch_interval or eval_steps_interval is set, on num_eval_images images"


def _warnings_of_captions(material: Material) -> Iterator[str]:
    common = material.common
    bare = [item.key for subset in material.subsets for item in subset.items if not _caption(item, subset, common)]
    if bare:
        yield (
            "without caption, so that SimpleTuner trains an empty prompt, or stops where caption_dropout_probability "
            f"is 0: {some(bare)}"
        )
    trained = [subset for subset in material.subsets if not subset.is_validation]
    uneven = [subset.name for subset in trained if common.shuffle_caption and len(_fixed(subset, common)) > 1]
    if uneven:
        yield f"captions differ in how many tags stand before the separator; the most are kept in front: {some(uneven)}"


def _warnings_of_images(material: Material) -> Iterator[str]:
    partly = [
        subset.name for subset in material.subsets if any(item.mask for item in subset.items) and not has_masks(subset)
    ]
    if partly:
        yield f"masks are left out where an image has none or validates, since SimpleTuner pairs none: {some(partly)}"
    accumulated = material.recipe.gradient_accumulation if material.recipe else 1
    least = _batch(material) * accumulated
    short = [
        f"{subset.name} {ratio:g} ({number} shown)"
        for subset in material.subsets
        if not subset.is_validation
        for ratio, images in sorted(buckets(subset, material).items())
        if (number := images * subset.repeats) < least
    ]
    if short:
        yield (
            f"SimpleTuner leaves out or stops at buckets that show fewer than {least} images, a batch of each step: "
            f"{some(short)}; raise repeats or lower the batch size"
        )
    made = bucket_px(aspect(sides_px(material)), edge_px(material))
    if not material.common.enable_bucket and made != sides_px(material):
        yield f"SimpleTuner makes all images {made[0]}x{made[1]}: sides are multiples of 64"
    reg = [subset.name for subset in material.subsets if subset.is_reg]
    if reg and (material.recipe is None or material.recipe.method != "lora"):
        yield f"only a LoRA is held to what the model made of regularization images; else they are trained: {some(reg)}"


EXPORT = Export(
    name="simpletuner",
    target="simpletuner",
    mends=frozenset({"multi-line-caption", "orphaned-caption", "literal-separator", "carriage-return"}),
    version=1,
    can=frozenset(
        {
            *("repeats", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size", "enable-bucket"),
            *("shuffle", "keep-tokens", "separator", "caption-dropout"),
        }
    ),
    needs_sizes=lambda settings: True,
    settings=Settings,
    plan=_plan,
    configure=configure,
    is_bound=lambda settings: settings.paths == "absolute",
)
