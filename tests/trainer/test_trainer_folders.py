"""Folders named by repeats and class tokens, instead of a dataset TOML."""

from __future__ import annotations

from pathlib import Path

import pytest
from trainer_sets import write_pictures

from trainer.data.dataset_toml import Fallback
from trainer.data.folders import read, repeats_of
from trainer.data.items import find
from trainer.errors import DatasetError

FALLBACK = Fallback(batch_size=2, resolution_px=64, general={"caption_extension": ".txt", "flip_aug": True})


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("10_sks girl", (10, "sks girl")),
        ("3_a_b", (3, "a_b")),
        ("7", (7, "")),
        ("0_off", (0, "off")),
        ("-2_x", (0, "x")),
        ("girl", (0, "")),
        ("x_10", (0, "")),
    ],
)
def test_what_a_name_says(name: str, said: tuple[int, str]) -> None:
    assert repeats_of(name) == said


def test_folders_are_subsets_and_the_run_s_own_settings_hold(tmp_path: Path) -> None:
    for name in ("train/3_sks girl", "train/1_x", "train/extra", "train/.hidden", "reg/2_girl"):
        write_pictures(tmp_path / name, [(64, 64)])
    (image_set,) = read(tmp_path / "train", tmp_path / "reg", fallback=FALLBACK)
    assert [
        (subset.image_dir.name, subset.num_repeats, subset.class_tokens, subset.is_reg, subset.flip_aug)
        for subset in image_set.subsets
    ] == [
        ("1_x", 1, "x", False, True),
        ("3_sks girl", 3, "sks girl", False, True),
        ("2_girl", 2, "girl", True, True),
    ]
    (note,) = image_set.notes
    assert "extra" in note
    assert ".hidden" not in note
    assert find([image_set]).num_repeats == 4


def test_pictures_without_a_folder_of_their_own(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train", [(64, 64)])
    with pytest.raises(DatasetError, match="no folder that is named") as caught:
        read(tmp_path / "train", None, fallback=FALLBACK)
    assert "10_sks girl" in caught.value.hint


@pytest.mark.parametrize(("train", "reg", "key"), [("gone", None, "train_dir"), ("train", "gone", "reg_dir")])
def test_a_folder_that_is_not_there(tmp_path: Path, train: str, reg: str | None, key: str) -> None:
    write_pictures(tmp_path / "train" / "1_x", [(64, 64)])
    with pytest.raises(DatasetError, match="gone: cannot be listed") as caught:
        read(tmp_path / train, tmp_path / reg if reg else None, fallback=FALLBACK)
    assert key in caught.value.hint
