"""The folders and the dataset.toml of sd-scripts, and of dsk bake.

Writes `<repeats>_<subset>/<stem>.<ext>` with `<stem>.txt` beside each, so that folder mode (`--train_data_dir .`)
reads them, and a `dataset.toml` for config mode (`--dataset_config`) with every setting that folder mode leaves to the
command line; above all the caption extension, whose default in sd-scripts is `.caption`. With `metadata` it writes
`metadata.json` too, for the finetune scripts (`--in_json metadata.json --train_data_dir .`).

What must not be trained lies apart, where folder mode passes over it: `reg/` (`--reg_data_dir reg`), `validation/`
and `masks/`.

- Paths in dataset.toml are relative; sd-scripts takes them from the directory that it is started in, so start it in
  the export's folder, or set `image_dirs = "absolute"`.
- An empty caption file stops sd-scripts, so none is written; class tokens, or an empty prompt, stand in for it. In
  folder mode that is the folder's name. A file of one blank line is written where it would take the caption of another
  image for that of a cut-out face (`x_1_2_3_4.png` takes `x.txt`).
- Images held back are a dataset of their own with `validation_split = 1.0`: nothing of it is trained. The scripts that
  train networks validate with it, others leave it out; older versions, of before 2025, refuse the key.
- Masks are a dataset of their own with `conditioning_data_dir`, as ControlNets have. Such a dataset knows no class
  tokens, which are written as captions, needs a mask for each image, and is refused without `--masked_loss`. Of a
  subset with masks for some images, these are `<repeats>_<subset>-masked`. Images without train wholly.
- Regularization images are used as often as there are images to train in the same dataset: those with masks do not
  count. Their loss weight is `--prior_loss_weight`, one for all.
- Each subset's loss weight is `custom_attributes = { loss_weight = 0.5 }` too: dsk bake heeds it, sd-scripts lets it
  stand and trains without it.
- Finetune metadata knows neither of these; repeats of all images are `--dataset_repeats`.

Source: kohya-ss/sd-scripts library/config_util.py (schema, fallbacks), library/train_util.py (captions, extensions,
split_train_val, DreamBoothDataset, FineTuningDataset, ControlNetDataset), docs/masked_loss_README.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from datakit.exports.captions import without_separator
from datakit.exports.configs.sdscripts import config_files, prior_loss_weight
from datakit.exports.expressing import bare, some
from datakit.exports.layout import Place, members, places, plan_folders, separator_of
from datakit.exports.model import Export, Material, Plan
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Common

_GENERAL = ("shuffle_caption", "keep_tokens", "caption_dropout_rate", "caption_tag_dropout_rate", "flip_aug")
_BUCKETS = ("enable_bucket", "bucket_no_upscale", "bucket_reso_steps", "min_bucket_reso", "max_bucket_reso")
_STEPS = {"sd15": ("SD 1.5", 64), "sdxl": ("SDXL", 32)}
"""What bucket_reso_steps must be a multiple of (train_network.py and sdxl_train_network.py, assert_extra_args)."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.kohya]`."""

    image_dirs: Literal["relative", "absolute"] = "relative"
    """Paths in dataset.toml: relative to it, or absolute for a trainer started elsewhere."""
    metadata: bool = False
    """Write metadata.json too, for the finetune scripts' `--in_json`."""


def _plan(material: Material) -> Plan:
    found = places(material)
    plan = plan_folders(material, found, class_tokens=True)
    is_absolute = material.settings.image_dirs == "absolute"
    texts = plan.texts | {"dataset.toml": dataset_toml(material, found, is_absolute=is_absolute).encode()}
    notes = [*_bare(found), *_weighted(material), *warnings(material, found), *_to_be_told(material, found)]
    if material.settings.metadata:
        texts["metadata.json"] = _metadata(material, found).encode()
        notes += _metadata_warnings(found)
    return msgspec.structs.replace(plan, texts=texts, warnings=tuple(notes))


def _to_be_told(material: Material, found: Sequence[Place]) -> Iterator[str]:
    """What a person must pass, or see to."""
    is_configured = material.recipe is not None  # then config.toml says it
    if any(place.masks for place in found) and not is_configured:
        yield "sd-scripts must be told --masked_loss: without it, it refuses a dataset.toml with masks"
    weight = prior_loss_weight(material)
    if weight not in (None, 1.0) and not is_configured:
        yield f"sd-scripts must be told --prior_loss_weight {weight:g}, for the regularization images"
    if material.settings.image_dirs == "absolute" and not material.folder:
        yield "dataset.toml has relative paths, since nobody knows the folder: start sd-scripts where it lies"


def warnings(material: Material, found: Sequence[Place]) -> Iterator[str]:
    """What sd-scripts cannot hold."""
    yield from _mask_warnings(material, found)
    if prior_loss_weight(material) is None:
        yield "sd-scripts has one loss weight for all regularization images, and they have several: it is left at 1"
    yield from bucket_warnings(material)


def weighted(material: Material) -> list[str]:
    """Names of subsets whose loss weight sd-scripts cannot hold."""
    return [one.name for one in material.subsets if one.loss_weight != 1.0 and not one.is_reg]


def _weighted(material: Material) -> Iterator[str]:
    if names := weighted(material):
        yield f"sd-scripts takes no notice of loss weights but of regularization images, dsk bake does: {some(names)}"


def _bare(found: Sequence[Place]) -> Iterator[str]:
    if untold := bare((place.subset, item) for place, item in members(found)):
        yield f"without caption, so that sd-scripts trains an empty prompt: {some(untold)}"


def _mask_warnings(material: Material, found: Sequence[Place]) -> Iterator[str]:
    if any(place.masks for place in found):
        reg = [one.name for one in material.subsets if one.is_reg]
        is_bare = any(_is_trained(place) and not place.masks for place in found)
        if reg and is_bare:
            yield f"sd-scripts uses regularization images as often as images without masks only: {some(reg)}"
        elif reg:
            yield f"sd-scripts uses no regularization images where all others have masks: {some(reg)}"
    unused = [
        one.name for one in material.subsets if (one.is_reg or one.is_validation) and any(i.mask for i in one.items)
    ]
    if unused:
        yield f"sd-scripts has no masks for regularization and validation images: {some(unused)}"


def bucket_warnings(material: Material) -> Iterator[str]:
    """At what buckets, or images without them, sd-scripts stops: with the recipe's model, else with any."""
    common, recipe = material.common, material.recipe
    if common.enable_bucket:
        meant = [said for name, said in _STEPS.items() if recipe is None or name == recipe.architecture]
        wrong = [model for model, step in meant if common.bucket_reso_steps % step]
        if wrong:
            yield f"bucket_reso_steps = {common.bucket_reso_steps}: sd-scripts refuses it for {' and '.join(wrong)}"
        return
    if recipe is not None and recipe.cache_latents:
        return
    keys = [item.key for one in material.subsets for item in one.items if item.size_px != common.sides_px]
    if keys:
        width, height = common.sides_px
        needed = "without buckets sd-scripts needs --cache_latents, or it stops"
        yield f"{needed} at images that are not {width} x {height} px: {some(keys)}"


def _is_trained(place: Place) -> bool:
    return not place.subset.is_reg and not place.subset.is_validation


def dataset_toml(material: Material, found: Sequence[Place], *, is_absolute: bool) -> str:
    """A dataset config of sd-scripts."""
    import tomlkit

    head = "# Written by dsk export; change [export] in dsk.toml instead.\n"
    if not is_absolute or not material.folder:
        head += "# image_dir is relative to this file: sd-scripts must be started in this folder.\n"
    tables = {"general": _general(material), "datasets": list(_datasets(material, found, is_absolute))}
    return head + tomlkit.dumps(tables)


def _general(material: Material) -> dict[str, Any]:
    common, separator = material.common, separator_of(material)
    return {
        "caption_extension": ".txt",
        **{name: getattr(common, name) for name in _GENERAL if _is_said(common, name)},
        **({"keep_tokens_separator": separator} if separator else {}),
    }


def _is_said(common: Common, name: str) -> bool:
    return name != "caption_tag_dropout_rate" or common.caption_tag_dropout_rate > 0


def _datasets(material: Material, found: Sequence[Place], is_absolute: bool) -> Iterator[dict[str, Any]]:
    """One for training, one for what has masks, and one to validate with."""
    common = material.common
    shared = {
        "resolution": list(common.sides_px),
        # One is what readers take by themselves; written, it would overrule their own arguments.
        **({"batch_size": common.batch_size} if common.batch_size > 1 else {}),
        **({name: getattr(common, name) for name in _BUCKETS} if common.enable_bucket else {"enable_bucket": False}),
    }
    for is_validation, is_masked in ((False, False), (False, True), (True, False)):
        subsets = [
            _subset(place, material, is_absolute)
            for place in found
            if place.subset.is_validation == is_validation and bool(place.masks) == is_masked
        ]
        if subsets:
            yield {**shared, **({"validation_split": 1.0} if is_validation else {}), "subsets": subsets}


def _subset(place: Place, material: Material, is_absolute: bool) -> dict[str, Any]:
    subset = place.subset
    held: dict[str, Any] = {
        "image_dir": material.place(place.folder, absolute=is_absolute),
        "num_repeats": 1 if subset.is_validation else subset.repeats,
        **_attributes(place),
    }
    if place.masks:
        return held | {"conditioning_data_dir": material.place(place.masks, absolute=is_absolute)}
    if subset.class_tokens:
        held["class_tokens"] = subset.class_tokens
    return held | ({"is_reg": True} if subset.is_reg else {})


def _attributes(place: Place) -> dict[str, Any]:
    """The loss weight; written in one line, since that is how people write such a table."""
    import tomlkit

    if place.subset.loss_weight == 1.0 or place.subset.is_validation:
        return {}
    table = tomlkit.inline_table()
    table["loss_weight"] = place.subset.loss_weight
    return {"custom_attributes": table}


def _metadata(material: Material, found: Sequence[Place]) -> str:
    """Image's path, as `--train_data_dir` has it → its caption and size; what the finetune scripts read."""
    is_absolute = material.settings.image_dirs == "absolute"
    rows = {
        material.place(f"{place.folder}/{item.file}", absolute=is_absolute): {
            "caption": without_separator(item.caption, material.common.keep_tokens_separator)
            or place.subset.class_tokens,
            "image_size": list(item.size_px),
        }
        for place, item in members(found)
        if _is_trained(place)
    }
    return json.dumps(rows, ensure_ascii=False, indent=2) + "\n"


def _metadata_warnings(found: Sequence[Place]) -> Iterator[str]:
    apart = [place.subset.name for place in found if not _is_trained(place)]
    if apart:
        yield f"metadata.json has no place for regularization and validation images: {some(apart)}"
    repeats = {place.subset.repeats for place in found if _is_trained(place)}
    if repeats - {1}:
        told = f"pass --dataset_repeats {max(repeats)}" if len(repeats) == 1 else "all images count alike in it"
        yield f"metadata.json has no place for repeats: {told}"
    if any(place.masks for place in found):
        yield "metadata.json has no place for masks"


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    is_absolute = material.settings.image_dirs == "absolute"
    has_masks = any(place.masks for place in places(material))
    return config_files(material, recipe, name="kohya", has_masks=has_masks, is_absolute=is_absolute)


EXPORT = Export(
    name="kohya",
    target="sd-scripts",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=5,
    can=frozenset(
        {
            *("repeats", "loss-weight", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size"),
            *("enable-bucket", "no-upscale", "bucket-steps", "bucket-bounds", "shuffle", "keep-tokens", "separator"),
            *("caption-dropout", "tag-dropout", "flip"),
        }
    ),
    needs_sizes=lambda settings: bool(settings.metadata),
    settings=Settings,
    plan=_plan,
    configure=_configure,
    is_bound=lambda settings: settings.image_dirs == "absolute",
)
