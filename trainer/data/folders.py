"""Reads folders instead of a dataset TOML: `<repeats>_<class tokens>`, as sd-scripts does with --train_data_dir.

`train/10_sks girl/` is a subset with num_repeats 10 and class_tokens "sks girl"; those of reg_dir are regularization
pictures. All other settings come from the run's `[dataset.general]`, then the defaults
(kohya-ss/sd-scripts:library/config_util.py, generate_dreambooth_subsets_config_by_subdirs).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from trainer.data.dataset_toml import Fallback, ImageSet, sets_of
from trainer.errors import DatasetError, some


def read(train_dir: Path, reg_dir: Path | None, *, fallback: Fallback) -> tuple[ImageSet, ...]:
    """The one set that the folders make. Raises DatasetError."""
    subsets, odd = _subsets(train_dir, is_reg=False)
    if not subsets:
        raise DatasetError(
            f"{train_dir}: has no folder that is named <repeats>_<class tokens>",
            hint=f"put the pictures into a folder such as {train_dir / '10_sks girl'}",
        )
    if reg_dir is not None:
        regular, odd_regular = _subsets(reg_dir, is_reg=True)
        subsets, odd = subsets + regular, odd + odd_regular
    (found,) = sets_of({"datasets": [{"subsets": subsets}]}, path=train_dir, fallback=fallback)
    note = f"{train_dir}: folders left out, since no number of repeats is in front of their names: {some(odd)}"
    return (replace(found, notes=(*found.notes, *([note] if odd else []))),)


def repeats_of(name: str) -> tuple[int, str]:
    """Repeats and class tokens that a folder's name says; 0 repeats where it says none."""
    number, _, words = name.partition("_")
    try:
        return max(0, int(number)), words
    except ValueError:
        return 0, ""


def _subsets(folder: Path, *, is_reg: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """The subsets' tables, and the names of folders that are none."""
    try:
        below = sorted(path for path in folder.iterdir() if path.is_dir())
    except OSError as error:
        key = "dataset.reg_dir" if is_reg else "dataset.train_dir"
        raise DatasetError(f"{folder}: cannot be listed ({error.strerror})", hint=f"correct {key}") from None
    found, odd = [], []
    for path in below:
        repeats, words = repeats_of(path.name)
        if repeats:
            table = {"image_dir": str(path.absolute()), "num_repeats": repeats, "class_tokens": words}
            found.append(table | {"is_reg": is_reg})
        elif not path.name.startswith("."):
            odd.append(path.name)
    return found, odd
