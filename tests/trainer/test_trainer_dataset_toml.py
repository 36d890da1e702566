"""The dataset TOML: fallbacks, refusals, and the traps of captions."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from trainer_sets import BUCKETS, picture, write_pictures, write_set

from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Dataset, find, with_digests
from trainer.errors import DatasetError

FALLBACK = Fallback(batch_size=3, resolution_px=64)


def found(path: Path) -> Dataset:
    return find(read(path, FALLBACK))


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
    "key of another level": ("resolution = 64", "resolution", ""),
    "not yet": ("color_aug = true", "color_aug = True is not supported yet", "take color_aug out"),
    "regularisation": ("is_reg = true", "is_reg", "take is_reg out"),
    "wrong type": ('num_repeats = "2"', "num_repeats must be a whole number", ""),
    "boolean as number": ("num_repeats = true", "num_repeats must be a whole number", ""),
    "no repeats": ("num_repeats = 0", "num_repeats must be at least 1", ""),
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
        ("[[datasets\n", "not valid TOML"),
    ],
)
def test_refused_as_a_whole(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=message.replace("[", r"\[")) as caught:
        read(write(tmp_path, text), FALLBACK)
    assert caught.value.hint


def test_switched_off_keys_are_fine(tmp_path: Path) -> None:
    off = "color_aug = false\nrandom_crop = false\ntoken_warmup_step = 0\nvalidation_split = 0.0\n"
    off += "network_multiplier = 1.0"
    path = write(
        tmp_path, f'[general]\n{off}\n[[datasets]]\n[[datasets.subsets]]\nimage_dir = "girl"\nis_reg = false\n'
    )
    assert read(path, FALLBACK)


def test_counts(tmp_path: Path) -> None:
    dataset = found(write_set(tmp_path, repeats=3))
    assert (len(dataset.items), dataset.num_repeats) == (5, 15)
    assert sum(dataset.bucket_counts().values()) == 15
    assert not dataset.notes


def test_a_byte_order_mark_is_no_part_of_the_caption(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "girl" / "00.txt").write_bytes(b"\xef\xbb\xbfsks, a\r\n")
    assert found(path).items[0].caption == "sks, a"


def test_only_the_first_line_counts_and_this_is_said(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "girl" / "00.txt").write_text("first\nsecond\n")
    dataset = found(path)
    assert dataset.items[0].caption == "first"
    assert "00.txt" in dataset.notes[0]


@pytest.mark.parametrize(("content", "word"), [(b"", "empty"), (b" \n", "empty"), (b"caf\xe9", "UTF-8")])
def test_captions_that_cannot_be_meant(content: bytes, word: str, tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "girl" / "00.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=word) as caught:
        found(path)
    assert "00.txt" in caught.value.message


def test_missing_captions_are_listed_and_the_extension_is_suggested(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    path.write_text(path.read_text().replace('caption_extension = ".txt"', ""))
    with pytest.raises(DatasetError) as caught:
        found(path)
    assert "5 pictures have no .caption caption: 00.png" in caught.value.message
    assert 'caption_extension = ".txt"' in caught.value.hint


def test_class_tokens_stand_in_and_this_is_said(tmp_path: Path) -> None:
    path = write_set(tmp_path, subset='class_tokens = "sks girl"')
    (tmp_path / "girl" / "00.txt").unlink()
    dataset = found(path)
    assert dataset.items[0].caption == "sks girl"
    assert "class_tokens stand in for 1" in dataset.notes[0]


def test_two_pictures_with_one_caption_are_told(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    picture((64, 64), 9).save(tmp_path / "girl" / "00.jpg")
    assert "share one caption: 00" in found(path).notes[0]


def test_an_empty_folder_says_what_was_expected(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no pictures"):
        found(write(tmp_path, '[[datasets]]\n[[datasets.subsets]]\nimage_dir = "girl"\n'))


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "girl" / "02.png").write_bytes(b"GIF89a nonsense")
    with pytest.raises(DatasetError, match=r"02\.png"):
        found(path)


def test_the_orientation_of_exif_counts(tmp_path: Path) -> None:
    path = write_set(tmp_path, sizes=[(96, 48)])
    image = picture((96, 48), 1)
    exif = Image.Exif()
    exif[0x0112] = 6
    image.save(tmp_path / "girl" / "00.png", exif=exif)
    assert found(path).items[0].size_px == (48, 96)


def test_a_digest_changes_with_whatever_is_trained(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    digests = {with_digests(found(path)).digest()}
    (tmp_path / "girl" / "00.txt").write_text("another caption")
    digests.add(with_digests(found(path)).digest())
    picture((64, 64), 77).save(tmp_path / "girl" / "00.png")
    digests.add(with_digests(found(path)).digest())
    path.write_text(path.read_text().replace("num_repeats = 2", "num_repeats = 3"))
    digests.add(with_digests(found(path)).digest())
    assert len(digests) == 4


def test_a_dataset_may_be_moved(tmp_path: Path) -> None:
    first, second = (with_digests(found(write_set(tmp_path / name))).digest() for name in ("a", "b"))
    assert first == second
