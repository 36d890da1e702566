"""Reads the dataset TOML of sd-scripts, or the same as JSON: anybody's, strictly.

A key is looked up in the subset, then its dataset, then `[general]`, then the run's own `[dataset.general]`,
then the default (kohya-ss/sd-scripts:library/config_util.py). An unknown key is refused with the nearest known
one. A relative path is taken from the file's folder, then from the current one.

Not done: a network_multiplier other than 1 (the adapter has one strength for all pictures), and of
custom_attributes `diff_output_preservation` (a loss against the base's own output). Known of
custom_attributes, which sd-scripts leaves to others, are `loss_weight` and `loss_weights`; the rest is told of.
cache_info changes nothing here. Metadata, folders and masks may share a dataset, which sd-scripts refuses.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from trainer.config import read_toml
from trainer.data.buckets import BucketRule, on_grid
from trainer.data.dataset_keys import (
    CAPTION_KEYS,
    INTERPOLATIONS,
    Chain,
    Level,
    check_keys,
    find,
    holder,
    table_of,
)
from trainer.data.subsets import CaptionRule, Fallback, ImageSet, Subset
from trainer.errors import DatasetError, nearest, some

__all__ = ["CaptionRule", "Fallback", "ImageSet", "Subset", "read", "sets_of"]

_ATTRIBUTES = {"loss_weight", "loss_weights", "diff_output_preservation"}


def read(path: Path, fallback: Fallback) -> tuple[ImageSet, ...]:
    """The sets that the dataset TOML or JSON at `path` describes. Raises DatasetError."""
    data = read_json(path) if path.suffix.lower() == ".json" else read_toml(path, error=DatasetError)
    return sets_of(data, path=path, fallback=fallback)


def read_json(path: Path) -> Any:
    """What a JSON file holds. Raises DatasetError."""
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise DatasetError(
            f"{path}: cannot be read ({error.strerror})", hint="check the path and its permissions"
        ) from None
    except UnicodeDecodeError as error:
        raise DatasetError(f"{path}: is not UTF-8 text (byte {error.start})", hint="save it as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{path}: is not valid JSON: {error}", hint="correct it, or write TOML") from None


def sets_of(data: Any, *, path: Path, fallback: Fallback) -> tuple[ImageSet, ...]:
    """The sets of the file's tables; `path` is for messages and where relative paths begin. Raises DatasetError."""
    top = Level(path, "top level", table_of(data, path=path, name="top level"), "top")
    check_keys(top)
    run = Level(path, "[dataset.general] of the run's TOML", fallback.general, "run")
    name = "[general]"
    general = Level(path, name, table_of(top.table.get("general", {}), path=path, name=name), "general")
    for level in (run, general):
        check_keys(level)
    tables = top.table.get("datasets", [])
    if not isinstance(tables, list) or not tables:
        raise DatasetError(
            f"{path}: has no [[datasets]]", hint="add [[datasets]] and [[datasets.subsets]] with an image_dir"
        )
    found = []
    for number, value in enumerate(tables, start=1):
        name = f"dataset {number}"
        level = Level(path, name, table_of(value, path=path, name=name), "dataset")
        found.append(_image_set((level, general, run), fallback))
    if not any(one.subsets for one in found):
        raise DatasetError(f"{path}: every subset has num_repeats = 0", hint="set num_repeats = 1 in one")
    return tuple(found)


def _image_set(chain: Chain, fallback: Fallback) -> ImageSet:
    level = chain[0]
    check_keys(level)
    tables = level.table.get("subsets", [])
    if not isinstance(tables, list) or not tables:
        raise level.error("has no [[datasets.subsets]]", hint="add one with an image_dir")
    notes: list[str] = []
    subsets = []
    for number, value in enumerate(tables, start=1):
        name = f"{level.name}, subset {number}"
        own = Level(level.path, name, table_of(value, path=level.path, name=name), "subset")
        subset = _subset((own, *chain), notes)
        if subset.num_repeats:
            subsets.append(subset)
        else:
            notes.append(f"{level.path}: {name}: num_repeats is 0, it is left out")
    _refuse_twice(level, subsets)
    size = find("batch_size", chain) if holder("batch_size", chain) else fallback.batch_size
    if size < 1:
        raise level.error("batch_size must be at least 1", hint="write batch_size = 1")
    rule = _bucket_rule(chain, fallback)
    if rule.enable and any(subset.face_crop_aug_range for subset in subsets):
        notes.append(f"{level.path}: {level.name}: face_crop_aug_range does nothing where enable_bucket is on")
    split, seed = _validation(chain)
    _refuse_multiplier(chain)
    return ImageSet(size, rule, _interpolation(chain), tuple(subsets), split, seed, notes=tuple(dict.fromkeys(notes)))


def _validation(chain: Chain) -> tuple[float, int | None]:
    split = find("validation_split", chain)
    if split > 1.0:
        raise chain[0].error(f"validation_split must be between 0 and 1, not {split}", hint="0.1 holds out a tenth")
    return split, find("validation_seed", chain) if holder("validation_seed", chain) else None


def _refuse_multiplier(chain: Chain) -> None:
    multiplier = find("network_multiplier", chain)
    if multiplier != 1.0:
        raise chain[0].error(
            f"network_multiplier = {multiplier:g}: the adapter has the same strength for all pictures",
            hint="take network_multiplier out of the dataset TOML",
        )


def _interpolation(chain: Chain) -> str:
    given = find("resize_interpolation", chain)
    if given not in INTERPOLATIONS:
        raise chain[0].error(f"unknown resize_interpolation {given!r}", hint=nearest(given, INTERPOLATIONS))
    return INTERPOLATIONS[given]


def _bucket_rule(chain: Chain, fallback: Fallback) -> BucketRule:
    asked = BucketRule(
        resolution_px=_resolution(chain, fallback),
        enable=find("enable_bucket", chain),
        no_upscale=find("bucket_no_upscale", chain),
        step_px=find("bucket_reso_steps", chain),
        min_px=find("min_bucket_reso", chain),
        max_px=find("max_bucket_reso", chain),
    )
    rule = on_grid(asked)
    if problem := rule.problem():
        raise chain[0].error(problem, hint="change resolution, min_bucket_reso, max_bucket_reso or bucket_reso_steps")
    return rule


def _resolution(chain: Chain, fallback: Fallback) -> tuple[int, int]:
    level = holder("resolution", chain)
    if level is None:
        return fallback.resolution_px, fallback.resolution_px
    value = level.table["resolution"]
    sides = value if isinstance(value, list) else [value]
    if len(sides) not in (1, 2) or not all(type(side) is int and side > 0 for side in sides):
        raise level.error(
            f"resolution must be a number of pixels or [width, height], not {value!r}",
            hint="write resolution = 1024",
        )
    return sides[0], sides[-1]


def _subset(chain: Chain, notes: list[str]) -> Subset:
    level = chain[0]
    check_keys(level)
    metadata = _path(level, "metadata_file", is_folder=False)
    folder = _path(level, "image_dir", is_folder=True)
    if folder is None and metadata is None:
        raise level.error("has no image_dir", hint="add image_dir, the folder of its pictures")
    weight, weights = _loss_weights(chain, notes)
    return Subset(
        image_dir=folder or (metadata or level.path).parent,
        num_repeats=find("num_repeats", chain),
        class_tokens=find("class_tokens", chain).strip(),
        caption_extension=_extension(chain),
        flip_aug=find("flip_aug", chain),
        captions=_caption_rule(chain),
        random_crop=find("random_crop", chain),
        color_aug=find("color_aug", chain),
        face_crop_aug_range=_face_range(chain),
        is_reg=find("is_reg", chain),
        alpha_mask=find("alpha_mask", chain),
        mask_dir=_path(level, "conditioning_data_dir", is_folder=True),
        metadata_file=metadata,
        loss_weight=weight,
        loss_weights=weights,
        interpolation=_interpolation(chain),
    )


def _extension(chain: Chain) -> str:
    """The end of a caption file's name, with a dot somewhere: `txt` means `.txt`, `_tags.txt` itself."""
    given: str = find("caption_extension", chain)
    if not given.strip(".") or any(mark in given for mark in "/\\\0"):
        raise chain[0].error(f"caption_extension {given!r} is not the end of a file name", hint="write .txt")
    return given if "." in given else f".{given}"


def _caption_rule(chain: Chain) -> CaptionRule:
    rule = CaptionRule(**{key: find(key, chain) for key in CAPTION_KEYS})
    for key in ("caption_dropout_rate", "caption_tag_dropout_rate"):
        if getattr(rule, key) > 1.0:
            raise chain[0].error(f"{key} must be between 0 and 1", hint="0.1 drops every tenth")
    if not rule.caption_separator:
        raise chain[0].error("caption_separator must not be empty", hint='the default is ","')
    return rule


def _face_range(chain: Chain) -> tuple[float, float] | None:
    level = holder("face_crop_aug_range", chain)
    if level is None:
        return None
    value = level.table["face_crop_aug_range"]
    is_pair = isinstance(value, list) and len(value) == 2 and all(type(end) in (int, float) for end in value)
    if not is_pair or not 0 < value[0] <= value[1] < float("inf"):
        raise level.error(
            f"face_crop_aug_range must be two numbers above 0, the smaller first, not {value!r}",
            hint="[2.0, 4.0]: a face takes a half to a quarter of the resolution",
        )
    return float(value[0]), float(value[1])


def _loss_weights(chain: Chain, notes: list[str]) -> tuple[float, Mapping[str, float]]:
    """Of custom_attributes: the subset's weight, and that of files by name."""
    level = holder("custom_attributes", chain)
    table = find("custom_attributes", chain)
    if level is None:
        return 1.0, {}
    if table.get("diff_output_preservation"):
        raise level.error(
            "custom_attributes.diff_output_preservation is not done: it needs the base's own output as a target",
            hint="take it out; regularization pictures (is_reg) keep what the base knows",
        )
    if strange := sorted(str(key) for key in table if key not in _ATTRIBUTES):
        notes.append(f"{level.path}: {level.name}: custom_attributes without effect here: {some(strange)}")
    weights = table.get("loss_weights", {})
    if not isinstance(weights, dict):
        raise level.error("custom_attributes.loss_weights must be a table", hint='write { "a.png" = 2.0 }')
    found = {name: _weight(level, value, name=f"loss_weights.{name}") for name, value in weights.items()}
    return _weight(level, table.get("loss_weight", 1.0), name="loss_weight"), found


def _weight(level: Level, value: Any, *, name: str) -> float:
    if type(value) not in (int, float) or not 0 <= value < float("inf"):
        raise level.error(f"custom_attributes.{name} must be a number of at least 0, not {value!r}", hint="1 is usual")
    return float(value)


def _path(level: Level, key: str, *, is_folder: bool) -> Path | None:
    """The file or folder that `key` names; None where it names none. Raises DatasetError where there is none."""
    if key not in level.table:
        return None
    kind = "folder" if is_folder else "file"
    try:
        given = Path(level.get(key)).expanduser()
        tried = [level.path.parent / given, Path.cwd() / given]
        for place in tried:
            if place.is_dir() if is_folder else place.is_file():
                return place.resolve()
    except (OSError, ValueError, RuntimeError) as error:
        raise level.error(f"{key} cannot be looked at: {error}", hint=f"correct {key}") from None
    where = str(given) if given.is_absolute() else " and ".join(dict.fromkeys(str(place) for place in tried))
    raise level.error(f"{key} is not a {kind}: {where}", hint=f"correct {key} in the dataset TOML")


def _refuse_twice(level: Level, subsets: list[Subset]) -> None:
    seen: set[Path] = set()
    for subset in subsets:
        what = subset.metadata_file or subset.image_dir
        key = "metadata_file" if subset.metadata_file else "image_dir"
        if what in seen:
            raise level.error(
                f"{key} is named twice: {what}",
                hint="raise num_repeats of the first instead; another [[datasets]] may name it again",
            )
        seen.add(what)
