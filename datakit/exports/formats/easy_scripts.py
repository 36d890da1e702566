"""The TOML of LoRA Easy Training Scripts, and its folders.

Writes `<repeats>_<subset>/<stem>.<ext>` with `<stem>.txt` beside each, `reg/` for regularization images, `validation/`
for those held back, `masks/`, and `easy-scripts.toml`, which the program opens (File, Load Toml): a table `[[subsets]]`
for each folder, `[general_args.dataset_args]`, `[bucket_args.dataset_args]`. Both code lines read it: that of
derrian-distro, and the fork of 67372a, which is kept up.

- Paths are absolute: the program looks for folders from where its backend was started.
- It has no class tokens, so they are written as captions.
- The fork holds images back to validate with them (`is_val`); the other refuses that, so with
  `code_line = "derrian-distro"` their folder is not among the subsets.
- Its backend writes all subsets into one dataset of sd-scripts, where masks count only if every subset has them, and
  there is nothing to validate with, and no regularization images. Else none is written.
- There is one loss weight for all regularization images.
- derrian-distro's backend drops every zero: a seed of 0 becomes a random one.
- Text that is not ASCII is escaped: the program reads the file in the encoding of the system.

Source: derrian-distro/LoRA_Easy_Training_Scripts and 67372a/LoRA_Easy_Training_Scripts main_ui_files/ (MainUI.py,
SubsetUI.py, GeneralUI.py, BucketUI.py), modules/TomlFunctions.py; derrian-distro/LoRA_Easy_Training_scripts_Backend and
67372a's fork utils/validation.py, utils/process.py; 67372a/sd-scripts library/config_util.py (is_val).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from datakit.exports.configs.easyscripts import arguments, empty_tables
from datakit.exports.configs.sdscripts import PROMPTS, prior_loss_weight, sample_prompts
from datakit.exports.expressing import bare, some
from datakit.exports.formats.kohya import bucket_warnings
from datakit.exports.layout import Place, members, places, plan_folders, separator_of
from datakit.exports.model import Export, Material, Plan
from datakit.exports.recipes.model import Recipe

_FORK: Final = "67372a"
_CONFIG: Final = "easy-scripts.toml"
_SUBSET: Final = ("shuffle_caption", "keep_tokens", "flip_aug", "caption_dropout_rate", "caption_tag_dropout_rate")
_BUCKETS: Final = ("bucket_no_upscale", "min_bucket_reso", "max_bucket_reso", "bucket_reso_steps")


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[export.easy-scripts]`."""

    code_line: Literal["67372a", "derrian-distro"] = "67372a"
    """Whose program reads it: 67372a's fork knows images to validate with."""


def _plan(material: Material) -> Plan:
    found = _places(material)
    plan = plan_folders(material, found, class_tokens=False)
    texts = plan.texts | {_CONFIG: _toml(_tables(material, found))}
    return msgspec.structs.replace(plan, texts=texts, warnings=tuple(_warnings(material, found)))


def _places(material: Material) -> list[Place]:
    return places(material, masks=_may_be_masked(material))


def _may_be_masked(material: Material) -> bool:
    """Whether the one dataset that all subsets make may be one with masks."""
    listed = [subset for subset in material.subsets if not subset.is_validation or _is_fork(material)]
    return all(
        not subset.is_reg and not subset.is_validation and all(item.mask for item in subset.items) for subset in listed
    )


def _is_fork(material: Material) -> bool:
    return bool(material.settings.code_line == _FORK)


def _warnings(material: Material, found: Sequence[Place]) -> Iterator[str]:
    masked = [place.subset.name for place in found if any(item.mask for item in place.subset.items)]
    if masked and not any(place.masks for place in found):
        yield f"the program has no masks beside images without, or held back, or of regularization: {some(masked)}"
    if untold := bare((place.subset, item) for place, item in members(found)):
        yield f"without caption, so that an empty prompt is trained: {some(untold)}"
    held = [subset.name for subset in material.subsets if subset.is_validation]
    if held and not _is_fork(material):
        yield f"derrian-distro's program has no images to validate with; not among the subsets: {some(held)}"
    weighted = [subset.name for subset in material.subsets if subset.loss_weight != 1.0 and not subset.is_reg]
    if weighted:
        yield f"the program has no place for loss weights but of regularization images: {some(weighted)}"
    if prior_loss_weight(material) is None:
        yield "the program has one loss weight for all regularization images, and they have several: it is left at 1"
    yield from bucket_warnings(material)
    if not material.folder:
        yield f"{_CONFIG} has relative paths, since nobody knows the folder: put it before each image_dir"


def _tables(material: Material, found: Sequence[Place]) -> dict[str, Any]:
    """The TOML without a recipe: what of it says how the dataset is read."""
    common, separator, weight = material.common, separator_of(material), prior_loss_weight(material)
    tables = empty_tables()
    sides = common.sides_px
    tables["general_args"]["dataset_args"] = {
        "resolution": sides[0] if sides[0] == sides[1] else list(sides),
        "batch_size": common.batch_size,
    }
    tables["bucket_args"]["dataset_args"] = {
        "enable_bucket": common.enable_bucket,
        **({name: getattr(common, name) for name in _BUCKETS} if common.enable_bucket else {}),
    }
    general = tables["general_args"]["args"]
    general |= {"keep_tokens_separator": separator} if separator else {}
    general |= {"prior_loss_weight": weight} if weight not in (None, 1.0) else {}
    tables["optimizer_args"]["args"] |= {"masked_loss": True} if any(place.masks for place in found) else {}
    tables["subsets"] = list(_subsets(material, found))
    tables["train_mode"] = {"train_mode": "lora"}
    return tables


def _subsets(material: Material, found: Sequence[Place]) -> Iterator[dict[str, Any]]:
    """What is nothing, false or zero is not said: that is what the program does without."""
    common = material.common
    for place in found:
        subset = place.subset
        if subset.is_validation and not _is_fork(material):
            continue
        yield {
            "name": place.folder,
            "image_dir": material.place(place.folder),
            "num_repeats": 1 if subset.is_validation else subset.repeats,
            "caption_extension": ".txt",
            **{name: getattr(common, name) for name in _SUBSET if getattr(common, name)},
            **({"is_reg": True} if subset.is_reg else {}),
            **({"is_val": True} if subset.is_validation else {}),
            **({"conditioning_data_dir": material.place(place.masks)} if place.masks else {}),
        }


def _toml(tables: Mapping[str, Any], notes: Sequence[str] = ()) -> bytes:
    import tomlkit

    told = {name: table for name, table in tables.items() if table}
    told = {
        name: {part: held for part, held in table.items() if held} if isinstance(table, dict) else table
        for name, table in told.items()
    }
    lines = ["# Written by dsk export; change [export] in dsk.toml instead.", *(f"# {note}" for note in notes)]
    return _escaped("\n".join([*lines, tomlkit.dumps({name: table for name, table in told.items() if table})])).encode()


def _escaped(text: str) -> str:
    return re.sub(r"[^\x00-\x7f]", lambda found: f"\\U{ord(found[0]):08x}", text)


def _configure(material: Material, recipe: Recipe) -> dict[str, bytes]:
    tables = _tables(material, _places(material))
    for name, held in arguments(material, recipe).items():
        tables[name]["args"] = held | tables[name]["args"]
    texts = {_CONFIG: _toml(tables, [recipe.name, *recipe.advice])}
    return texts | ({PROMPTS: sample_prompts(recipe).encode()} if recipe.prompts else {})


EXPORT = Export(
    name="easy-scripts",
    target="sd-scripts",
    mends=frozenset({"multi-line-caption", "orphaned-caption"}),
    version=1,
    can=frozenset(
        {
            *("repeats", "loss-weight", "reg", "validation", "masks", "class-tokens", "resolution", "batch-size"),
            *("enable-bucket", "no-upscale", "bucket-steps", "bucket-bounds", "shuffle", "keep-tokens", "separator"),
            *("caption-dropout", "tag-dropout", "flip"),
        }
    ),
    settings=Settings,
    plan=_plan,
    configure=_configure,
    is_bound=lambda settings: True,
)
