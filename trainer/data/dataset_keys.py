"""The keys of sd-scripts' dataset TOML: which there are, at which level, of which type, with which default.

Source: kohya-ss/sd-scripts:library/config_util.py (ConfigSanitizer and the *Params classes).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trainer.data.subsets import CaptionRule
from trainer.errors import DatasetError, nearest

CAPTION_KEYS: dict[str, Any] = {field.name: field.default for field in fields(CaptionRule)}
SUBSET_KEYS: dict[str, Any] = {
    **CAPTION_KEYS,
    "num_repeats": 1,
    "class_tokens": "",
    "caption_extension": ".caption",
    "flip_aug": False,
    "random_crop": False,
    "color_aug": False,
    "face_crop_aug_range": None,
    "custom_attributes": {},
    "resize_interpolation": "lanczos",
    "cache_info": False,
}
"""Keys of a subset that may also stand in its dataset or in [general]."""
SUBSET_ONLY: dict[str, Any] = {
    "image_dir": "",
    "is_reg": False,
    "alpha_mask": False,
    "metadata_file": "",
    "conditioning_data_dir": "",
}
SET_KEYS: dict[str, Any] = {
    "batch_size": 1,
    "resolution": 0,
    "enable_bucket": False,
    "bucket_no_upscale": False,
    "bucket_reso_steps": 64,
    "min_bucket_reso": 256,
    "max_bucket_reso": 1024,
    "network_multiplier": 1.0,
    "validation_split": 0.0,
    "validation_seed": 0,
}
"""Keys of a dataset that may also stand in [general]."""
DEFAULTS = SUBSET_KEYS | SUBSET_ONLY | SET_KEYS
LEVELS: dict[str, frozenset[str]] = {
    "top": frozenset({"general", "datasets"}),
    "general": frozenset(SUBSET_KEYS | SET_KEYS),
    "dataset": frozenset(SUBSET_KEYS | SET_KEYS) | {"subsets"},
    "subset": frozenset(SUBSET_KEYS | SUBSET_ONLY),
    "run": frozenset(SUBSET_KEYS | SET_KEYS) | {"alpha_mask"},
}
"""What may stand where; `run` is the run's own [dataset.general], where sd-scripts has its command line."""
INTERPOLATIONS = {
    "lanczos": "lanczos",
    "lanczos4": "lanczos",
    "nearest": "nearest",
    "bilinear": "bilinear",
    "linear": "bilinear",
    "bicubic": "bicubic",
    "cubic": "bicubic",
    "area": "box",
    "box": "box",
}
_TYPE_WORDS = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text in quotes",
    dict: "a table",
}
_ANY_SIGN = {"validation_seed", "network_multiplier"}


@dataclass(frozen=True)
class Level:
    """One table of the file."""

    path: Path
    """The file, for messages and as the place from which paths count."""
    name: str
    """Of the table, for messages."""
    table: Mapping[str, Any]
    kind: str
    """One of LEVELS."""

    def error(self, message: str, *, hint: str) -> DatasetError:
        """An error that names the file and the table."""
        return DatasetError(f"{self.path}: {self.name}: {message}", hint=hint)

    def get(self, key: str) -> Any:
        """The value of `key`, checked to be of the type of its default. Raises DatasetError."""
        value, like = self.table[key], DEFAULTS[key]
        kind = type(like)
        if kind is float and type(value) is int:
            value = float(value)
        if type(value) is not kind:
            raise self.error(f"{key} must be {_TYPE_WORDS[kind]}, not {value!r}", hint=f"the default is {like!r}")
        if kind is float and not math.isfinite(value):
            raise self.error(f"{key} must be finite, it is {value}", hint=f"the default is {like!r}")
        if kind in (int, float) and value < 0 and key not in _ANY_SIGN:
            raise self.error(f"{key} must not be negative, it is {value}", hint=f"the default is {like!r}")
        return value


Chain = tuple[Level, ...]
"""Tables in the order in which a key is looked up."""


def find(key: str, chain: Chain) -> Any:
    """The value of `key` at the first level that has it, else its default. Raises DatasetError."""
    level = holder(key, chain)
    return level.get(key) if level else DEFAULTS[key]


def holder(key: str, chain: Chain) -> Level | None:
    """The first level that has `key`."""
    return next((level for level in chain if key in level.table), None)


def check_keys(level: Level) -> None:
    """Raises DatasetError for a key that is not known, or not at this level."""
    allowed = LEVELS[level.kind]
    for key in level.table:
        if key in allowed:
            continue
        if key in DEFAULTS:
            where = "[[datasets.subsets]]" if key in SUBSET_ONLY else "[[datasets]] or [general]"
            raise level.error(f"{key} does not belong here", hint=f"{key} belongs into {where}")
        raise level.error(f"unknown key {key!r}", hint=nearest(key, allowed))


def table_of(value: Any, *, path: Path, name: str) -> Mapping[str, Any]:
    """The value, which must be a table. Raises DatasetError."""
    if not isinstance(value, dict):
        raise DatasetError(f"{path}: {name} must be a table", hint="see the dataset TOML of sd-scripts")
    return value
