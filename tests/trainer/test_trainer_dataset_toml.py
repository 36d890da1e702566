"""The dataset TOML: every key, fallbacks, refusals."""

from __future__ import annotations

import json
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from trainer_sets import BUCKETS, write_pictures

from trainer.data.buckets import BucketRule
from trainer.data.dataset_toml import CaptionRule, Fallback, Subset, read
from trainer.errors import DatasetError

FALLBACK = Fallback(batch_size=3, resolution_px=64)


def write(root: Path, text: str) -> Path:
    (root / "girl").mkdir(exist_ok=True)
    path = root / "dataset.toml"
    path.write_text(text)
    return path


def test_a_key_is_looked_up_from_subset_to_general(tmp_path: Path) -> None:
    write_pictures(tmp_path / "a", [(64, 64)])
    write_pictures(tmp_path / "b", [(64, 64)])
    path = write(
        tmp_path,
        """
        [general]
        caption_extension = "txt"
        num_repeats = 5
        keep_tokens = 1
        min_bucket_reso = 64
        [[datasets]]
        num_repeats = 7
        [[datasets.subsets]]
        image_dir = "a"
        num_repeats = 9
        [[datasets.subsets]]
        image_dir = "b"
        """,
    )
    (image_set,) = read(path, FALLBACK)
    first, second = image_set.subsets
    assert (first.num_repeats, second.num_repeats) == (9, 7)
    assert (first.captions.keep_tokens, first.caption_extension) == (1, ".txt")
    assert (image_set.batch_size, image_set.buckets.resolution_px, image_set.buckets.enable) == (3, (64, 64), False)


def test_defaults_are_those_of_sd_scripts(tmp_path: Path) -> None:
    path = write(tmp_path, '[[datasets]]\nresolution = [512, 768]\n[[datasets.subsets]]\nimage_dir = "girl"\n')
    (image_set,) = read(path, FALLBACK)
    subset = image_set.subsets[0]
    assert (subset.caption_extension, subset.num_repeats, subset.captions.caption_separator) == (".caption", 1, ",")
    assert image_set.buckets.resolution_px == (512, 768)


def test_image_dir_is_beside_the_toml_or_in_the_current_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    elsewhere = tmp_path / "elsewhere"
    (elsewhere / "here").mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    path = write(tmp_path, '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "here"\n')
    assert read(path, FALLBACK)[0].subsets[0].image_dir == elsewhere / "here"
    (tmp_path / "here").mkdir()
    assert read(path, FALLBACK)[0].subsets[0].image_dir == tmp_path / "here"


REFUSED = {
    "unknown key": ("suffle_caption = true", "suffle_caption", "shuffle_caption"),
    "key of another level": ("resolution = 64", "resolution does not belong here", "[[datasets]] or [general]"),
    "multiplier": ("network_multiplier = 0.5", "network_multiplier", "[[datasets]]"),
    "wrong type": ('num_repeats = "2"', "num_repeats must be a whole number", ""),
    "boolean as number": ("num_repeats = true", "num_repeats must be a whole number", ""),
    "no share": ("caption_tag_dropout_rate = nan", "must be finite", ""),
    "no separator": ('caption_separator = ""', "must not be empty", ""),
    "extension that is a path": ('caption_extension = "../a.txt"', "not the end of a file name", ""),
    "no extension": ('caption_extension = "."', "not the end of a file name", ""),
    "one face size": ("face_crop_aug_range = [2.0]", "two numbers above 0", ""),
    "faces the wrong way round": ("face_crop_aug_range = [4.0, 2.0]", "the smaller first", ""),
    "mask folder": ('conditioning_data_dir = "gone"', "conditioning_data_dir is not a folder", ""),
    "metadata": ('metadata_file = "gone.json"', "metadata_file is not a file", ""),
    "preservation": (
        "custom_attributes = { diff_output_preservation = true }",
        "diff_output_preservation is not done",
        "is_reg",
    ),
    "weight": ("custom_attributes = { loss_weight = -1 }", "loss_weight must be a number", ""),
    "weights": ("custom_attributes = { loss_weights = 2 }", "loss_weights must be a table", ""),
    "weight of a file": ('custom_attributes = { loss_weights = { a = "x" } }', "loss_weights.a must be a number", ""),
    "rate over one": ("caption_dropout_rate = 1.5", "between 0 and 1", ""),
    "negative": ("keep_tokens = -1", "must not be negative", ""),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_a_subset(name: str, tmp_path: Path) -> None:
    line, message, hint = REFUSED[name]
    path = write(tmp_path, f'[[datasets]]\n{BUCKETS}[[datasets.subsets]]\nimage_dir = "girl"\n{line}\n')
    with pytest.raises(DatasetError) as caught:
        read(path, FALLBACK)
    assert message in caught.value.message
    assert str(path) in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no [[datasets]]"),
        ("datasets = 3", "no [[datasets]]"),
        ("[[datasets]]", "no [[datasets.subsets]]"),
        ("[[datasets]]\n[[datasets.subsets]]\nnum_repeats = 1", "no image_dir"),
        ('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "gone"', "not a folder"),
        ('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "girl"\n[[datasets.subsets]]\nimage_dir = "girl"', "twice"),
        ("[[datasets]]\nbatch_size = 0\n[[datasets.subsets]]\nimage_dir = 'girl'", "batch_size"),
        ("[[datasets]]\nenable_bucket = true\n[[datasets.subsets]]\nimage_dir = 'girl'", "min_bucket_reso"),
        ("[[datasets]]\nresolution = 'big'\n[[datasets.subsets]]\nimage_dir = 'girl'", "resolution must be"),
        ("[[datasets]]\nresize_interpolation = 'lanzcos'\n[[datasets.subsets]]\nimage_dir = 'girl'", "lanzcos"),
        ("[genral]\n", "unknown key 'genral'"),
        ("[general]\nis_reg = true\n", "is_reg does not belong here"),
        (
            "[[datasets]]\nnetwork_multiplier = 0.5\n[[datasets.subsets]]\nimage_dir = 'girl'",
            "network_multiplier = 0.5",
        ),
        ("[[datasets]]\nvalidation_split = 1.5\n[[datasets.subsets]]\nimage_dir = 'girl'", "validation_split must be"),
        ("[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'girl'\nnum_repeats = 0", "num_repeats = 0"),
        ("[[datasets\n", "not valid TOML"),
    ],
)
def test_refused_as_a_whole(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message.replace("[", r"\[")) as caught:
        read(write(tmp_path, text), FALLBACK)
    assert caught.value.hint


EVERY_KEY = """
[general]
batch_size = 2
resolution = [64, 96]
enable_bucket = true
bucket_no_upscale = true
bucket_reso_steps = 32
min_bucket_reso = 32
max_bucket_reso = 96
network_multiplier = 1
validation_split = 0.1
validation_seed = -3
resize_interpolation = "area"
cache_info = true
color_aug = true
random_crop = true
shuffle_caption = true
keep_tokens = 1
keep_tokens_separator = "|||"
secondary_separator = ";;;"
caption_separator = "|"
enable_wildcard = true
token_warmup_min = 2
token_warmup_step = 0.5
caption_prefix = "p"
caption_suffix = "s"
caption_dropout_rate = 1
caption_tag_dropout_rate = 0.1
caption_dropout_every_n_epochs = 3
custom_attributes = { loss_weight = 2, loss_weights = { "a.png" = 0.5 }, other = 1, diff_output_preservation = false }
[[datasets]]
[[datasets.subsets]]
image_dir = "girl"
conditioning_data_dir = "girl"
class_tokens = "sks"
is_reg = true
alpha_mask = true
face_crop_aug_range = [1, 3.0]
num_repeats = 7
resize_interpolation = "cubic"
"""


def test_every_key_of_sd_scripts_arrives(tmp_path: Path) -> None:
    (image_set,) = read(write(tmp_path, EVERY_KEY), FALLBACK)
    rule = BucketRule((64, 96), no_upscale=True, step_px=32, min_px=32, max_px=96)
    assert (image_set.batch_size, image_set.buckets, image_set.interpolation) == (2, rule, "box")
    assert (image_set.validation_split, image_set.validation_seed, image_set.network_multiplier) == (0.1, -3, 1.0)
    folder = (tmp_path / "girl").resolve()
    assert image_set.subsets == (
        Subset(
            folder, 7, "sks", ".caption", False,
            CaptionRule(True, 1, "|||", "|", ";;;", "p", "s", 1.0, 3, 0.1, True, 2, 0.5),
            random_crop=True, color_aug=True, face_crop_aug_range=(1.0, 3.0), is_reg=True, alpha_mask=True,
            mask_dir=folder, loss_weight=2.0, loss_weights={"a.png": 0.5}, interpolation="bicubic",
        ),
    )  # fmt: skip
    assert any("custom_attributes without effect here: other" in note for note in image_set.notes)
    assert any("face_crop_aug_range does nothing" in note for note in image_set.notes)


def test_the_run_s_own_general_comes_last(tmp_path: Path) -> None:
    path = write(tmp_path, "[general]\nkeep_tokens = 2\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'girl'\n")
    general = {"keep_tokens": 5, "shuffle_caption": True, "batch_size": 4, "alpha_mask": True}
    (image_set,) = read(path, Fallback(3, 64, general))
    subset = image_set.subsets[0]
    assert (subset.captions.keep_tokens, subset.captions.shuffle_caption) == (2, True)
    assert (image_set.batch_size, subset.alpha_mask) == (4, True)
    with pytest.raises(
        DatasetError, match=r"\[dataset.general\] of the run's TOML: unknown key 'keep_token'"
    ) as caught:
        read(path, Fallback(3, 64, {"keep_token": 1}))
    assert "keep_tokens" in caught.value.hint


def test_a_subset_with_no_repeats_is_left_out_and_this_is_said(tmp_path: Path) -> None:
    (tmp_path / "off").mkdir()
    text = "[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'girl'\n[[datasets.subsets]]\nimage_dir = 'off'\n"
    (image_set,) = read(write(tmp_path, text + "num_repeats = 0\n"), FALLBACK)
    assert [subset.image_dir.name for subset in image_set.subsets] == ["girl"]
    assert any("subset 2: num_repeats is 0" in note for note in image_set.notes)


def test_another_dataset_may_have_the_same_folder(tmp_path: Path) -> None:
    one = "[[datasets]]\nresolution = {}\n[[datasets.subsets]]\nimage_dir = 'girl'\n"
    found = read(write(tmp_path, one.format(64) + one.format(32)), FALLBACK)
    assert [image_set.buckets.resolution_px for image_set in found] == [(64, 64), (32, 32)]


@pytest.mark.parametrize(("given", "meant"), [("txt", ".txt"), (".txt", ".txt"), ("_tags.txt", "_tags.txt")])
def test_the_end_of_caption_files(given: str, meant: str, tmp_path: Path) -> None:
    text = f"[[datasets]]\n[[datasets.subsets]]\nimage_dir = 'girl'\ncaption_extension = '{given}'\n"
    assert read(write(tmp_path, text), FALLBACK)[0].subsets[0].caption_extension == meant


def test_json_means_the_same(tmp_path: Path) -> None:
    toml = write(tmp_path, EVERY_KEY)
    path = tmp_path / "dataset.JSON"
    path.write_text(json.dumps(tomllib.loads(EVERY_KEY)), "utf-8-sig")
    mine, theirs = read(path, FALLBACK), read(toml, FALLBACK)
    assert [replace(one, notes=()) for one in mine] == [replace(one, notes=()) for one in theirs]


@pytest.mark.parametrize("text", ["", "[]", "{", "[" * 100_000, '{"datasets": [3]}', '{"general": [], "datasets": []}'])
def test_json_that_is_none(text: str, tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(text)
    with pytest.raises(DatasetError, match=r"d\.json") as caught:
        read(tmp_path / "d.json", FALLBACK)
    assert caught.value.hint
