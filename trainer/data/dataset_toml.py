"""Reads the dataset TOML of sd-scripts: anybody's, strictly.

A key is looked up in the subset, then its dataset, then `[general]`, then the run's own TOML, then the
default (kohya-ss/sd-scripts:library/config_util.py). A key that sd-scripts knows and this trainer does not
do yet is refused unless it is switched off; an unknown key is refused with the nearest known one.
A relative image_dir is taken from the TOML's folder, then from the current one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trainer.config import read_toml
from trainer.data.buckets import BucketRule
from trainer.errors import DatasetError, nearest


@dataclass(frozen=True)
class CaptionRule:
    """How a caption becomes the text of one draw."""

    shuffle_caption: bool = False
    keep_tokens: int = 0
    keep_tokens_separator: str = ""
    caption_separator: str = ","
    secondary_separator: str = ""
    caption_prefix: str = ""
    caption_suffix: str = ""
    caption_dropout_rate: float = 0.0
    caption_dropout_every_n_epochs: int = 0
    caption_tag_dropout_rate: float = 0.0


@dataclass(frozen=True)
class Subset:
    """One folder of pictures."""

    image_dir: Path
    num_repeats: int
    class_tokens: str
    caption_extension: str
    flip_aug: bool
    captions: CaptionRule


@dataclass(frozen=True)
class ImageSet:
    """One `[[datasets]]`: folders that share resolution, buckets and batch size."""

    batch_size: int
    buckets: BucketRule
    interpolation: str
    subsets: tuple[Subset, ...]


@dataclass(frozen=True)
class Fallback:
    """What the run's own TOML and the family say where the dataset TOML is silent."""

    batch_size: int
    resolution_px: int


_CAPTION_KEYS: dict[str, Any] = {field.name: field.default for field in fields(CaptionRule)}
_SUBSET_KEYS: dict[str, Any] = {
    **_CAPTION_KEYS,
    "num_repeats": 1,
    "class_tokens": "",
    "caption_extension": ".caption",
    "flip_aug": False,
}
_SET_KEYS: dict[str, Any] = {
    "batch_size": 1,
    "resolution": 0,
    "enable_bucket": False,
    "bucket_no_upscale": False,
    "bucket_reso_steps": 64,
    "min_bucket_reso": 256,
    "max_bucket_reso": 1024,
    "resize_interpolation": "lanczos",
}
_HARMLESS = {"cache_info", "validation_seed"}
"""Keys of sd-scripts that change no result here."""
_NOT_YET: dict[str, Any] = {
    "alpha_mask": False,
    "color_aug": False,
    "conditioning_data_dir": None,
    "custom_attributes": {},
    "enable_wildcard": False,
    "face_crop_aug_range": None,
    "is_reg": False,
    "metadata_file": None,
    "network_multiplier": 1.0,
    "random_crop": False,
    "token_warmup_min": 1,
    "token_warmup_step": 0,
    "validation_split": 0.0,
}
"""Keys of sd-scripts that are not done here yet, each with the value that switches it off."""
_ONLY_IN_SUBSET = {"image_dir", "metadata_file", "conditioning_data_dir", "is_reg", "alpha_mask"}
_INTERPOLATIONS = {
    "lanczos": "lanczos",
    "nearest": "nearest",
    "bilinear": "bilinear",
    "linear": "bilinear",
    "bicubic": "bicubic",
    "cubic": "bicubic",
    "area": "box",
    "box": "box",
}


@dataclass(frozen=True)
class _Level:
    """One table of the TOML, for messages."""

    path: Path
    name: str
    table: Mapping[str, Any]

    def error(self, message: str, *, hint: str) -> DatasetError:
        return DatasetError(f"{self.path}: {self.name}: {message}", hint=hint)

    def get(self, key: str, like: Any) -> Any:
        """The value of `key`, checked to be of the type of `like`."""
        value = self.table[key]
        kind = type(like)
        fits = isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if not fits:
            raise self.error(f"{key} must be {_TYPE_WORDS[kind]}, not {value!r}", hint=f"the default is {like!r}")
        if kind in (int, float) and value < 0:
            raise self.error(f"{key} must not be negative, it is {value}", hint=f"the default is {like!r}")
        return value


_TYPE_WORDS = {bool: "true or false", int: "a whole number", float: "a number", str: "a text in quotes"}


def read(path: Path, fallback: Fallback) -> tuple[ImageSet, ...]:
    """The sets that the dataset TOML at `path` describes. Raises DatasetError."""
    data = read_toml(path, error=DatasetError)
    _check_keys(_Level(path, "top level", data), {"general", "datasets"})
    general = _Level(path, "[general]", _table(path, "[general]", value=data.get("general", {})))
    _check_level(general, deep=False)
    tables = data.get("datasets", [])
    if not isinstance(tables, list) or not tables:
        raise DatasetError(
            f"{path}: has no [[datasets]]", hint="add [[datasets]] and [[datasets.subsets]] with an image_dir"
        )
    return tuple(
        _image_set(
            _Level(path, f"dataset {number}", _table(path, f"dataset {number}", value=table)),
            general,
            fallback=fallback,
        )
        for number, table in enumerate(tables, start=1)
    )


def _image_set(level: _Level, general: _Level, *, fallback: Fallback) -> ImageSet:
    _check_level(level, deep=False)
    chain = (level, general)
    subsets = level.table.get("subsets", [])
    if not isinstance(subsets, list) or not subsets:
        raise level.error("has no [[datasets.subsets]]", hint="add one with an image_dir")
    interpolation = _find("resize_interpolation", chain, defaults=_SET_KEYS)
    if interpolation not in _INTERPOLATIONS:
        raise level.error(
            f"unknown resize_interpolation {interpolation!r}", hint=nearest(interpolation, _INTERPOLATIONS)
        )
    found = tuple(
        _subset(
            _Level(level.path, f"{level.name}, subset {number}", _table(level.path, level.name, value=table)), chain
        )
        for number, table in enumerate(subsets, start=1)
    )
    _refuse_twice(level, found)
    size = _find("batch_size", chain, defaults={"batch_size": fallback.batch_size})
    if size < 1:
        raise level.error("batch_size must be at least 1", hint="write batch_size = 1")
    return ImageSet(size, _bucket_rule(level, chain, fallback=fallback), _INTERPOLATIONS[interpolation], found)


def _bucket_rule(level: _Level, chain: tuple[_Level, ...], *, fallback: Fallback) -> BucketRule:
    rule = BucketRule(
        resolution_px=_resolution(chain, fallback),
        enable=_find("enable_bucket", chain, defaults=_SET_KEYS),
        no_upscale=_find("bucket_no_upscale", chain, defaults=_SET_KEYS),
        step_px=_find("bucket_reso_steps", chain, defaults=_SET_KEYS),
        min_px=_find("min_bucket_reso", chain, defaults=_SET_KEYS),
        max_px=_find("max_bucket_reso", chain, defaults=_SET_KEYS),
    )
    if problem := rule.problem():
        raise level.error(problem, hint="change resolution, min_bucket_reso, max_bucket_reso or bucket_reso_steps")
    return rule


def _resolution(chain: tuple[_Level, ...], fallback: Fallback) -> tuple[int, int]:
    for level in chain:
        if "resolution" not in level.table:
            continue
        value = level.table["resolution"]
        sides = [value, value] if isinstance(value, int) else value
        if not (isinstance(sides, list) and len(sides) in (1, 2)) or not all(
            type(side) is int and side > 0 for side in sides
        ):
            raise level.error(
                f"resolution must be a number of pixels or [width, height], not {value!r}",
                hint="write resolution = 1024",
            )
        return sides[0], sides[-1]
    return fallback.resolution_px, fallback.resolution_px


def _subset(level: _Level, above: tuple[_Level, ...]) -> Subset:
    _check_level(level, deep=True)
    chain = (level, *above)
    if "image_dir" not in level.table:
        raise level.error("has no image_dir", hint="add image_dir, the folder of its pictures")
    captions = CaptionRule(**{key: _find(key, chain, defaults=_CAPTION_KEYS) for key in _CAPTION_KEYS})
    repeats = _find("num_repeats", chain, defaults=_SUBSET_KEYS)
    if repeats < 1:
        raise level.error("num_repeats must be at least 1", hint="leave the subset out to train without it")
    for key in ("caption_dropout_rate", "caption_tag_dropout_rate"):
        if getattr(captions, key) > 1.0:
            raise level.error(f"{key} must be between 0 and 1", hint="0.1 drops every tenth")
    extension = _find("caption_extension", chain, defaults=_SUBSET_KEYS)
    return Subset(
        image_dir=_image_dir(level),
        num_repeats=repeats,
        class_tokens=_find("class_tokens", chain, defaults=_SUBSET_KEYS).strip(),
        caption_extension=extension if extension.startswith(".") else f".{extension}",
        flip_aug=_find("flip_aug", chain, defaults=_SUBSET_KEYS),
        captions=captions,
    )


def _image_dir(level: _Level) -> Path:
    given = Path(level.get("image_dir", "")).expanduser()
    tried = [level.path.parent / given, Path.cwd() / given]
    for folder in tried:
        if folder.is_dir():
            return folder.resolve()
    where = str(given) if given.is_absolute() else " and ".join(dict.fromkeys(str(folder) for folder in tried))
    raise level.error(f"image_dir is not a folder: {where}", hint="correct image_dir in the dataset TOML")


def _find(key: str, chain: tuple[_Level, ...], *, defaults: Mapping[str, Any]) -> Any:
    for level in chain:
        if key in level.table:
            return level.get(key, defaults[key])
    return defaults[key]


def _refuse_twice(level: _Level, subsets: tuple[Subset, ...]) -> None:
    seen: set[Path] = set()
    for subset in subsets:
        if subset.image_dir in seen:
            raise level.error(
                f"image_dir is named twice: {subset.image_dir}", hint="raise num_repeats of the first instead"
            )
        seen.add(subset.image_dir)


def _table(path: Path, name: str, *, value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: {name} must be a table", hint="see the dataset TOML of sd-scripts")
    return value


def _check_level(level: _Level, *, deep: bool) -> None:
    known = set(_SUBSET_KEYS) | set(_NOT_YET) | _HARMLESS
    if deep:
        known |= {"image_dir"}
    else:
        known = (known - _ONLY_IN_SUBSET) | set(_SET_KEYS) | {"subsets"}
        if level.name == "[general]":
            known -= {"subsets"}
    _check_keys(level, known)
    for key, off in _NOT_YET.items():
        if key in level.table and level.table[key] != off:
            raise level.error(
                f"{key} = {level.table[key]!r} is not supported yet", hint=f"take {key} out of the dataset TOML"
            )


def _check_keys(level: _Level, known: set[str]) -> None:
    for key in level.table:
        if key not in known:
            raise level.error(f"unknown key {key!r}", hint=nearest(key, known))
