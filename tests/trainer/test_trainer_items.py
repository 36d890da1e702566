"""Pictures of a dataset: their captions, masks, weights, and which are held out."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image
from trainer_sets import picture, write_pictures, write_set

from trainer.data.dataset_toml import Fallback, read
from trainer.data.items import Dataset, find, held_out, require_stride, with_digests
from trainer.errors import DatasetError

FALLBACK = Fallback(batch_size=3, resolution_px=64)


def found(path: Path) -> Dataset:
    return find(read(path, FALLBACK))


def one_subset(root: Path, *lines: str) -> Path:
    (root / "girl").mkdir(exist_ok=True)
    path = root / "dataset.toml"
    path.write_text('[[datasets]]\n[[datasets.subsets]]\nimage_dir = "girl"\n' + "\n".join(lines))
    return path


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
        found(one_subset(tmp_path))


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


def test_whatever_decides_changes_the_digest(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_pictures(tmp_path / "masks", [(64, 64), (96, 48), (48, 96), (64, 64), (80, 40)])
    plain = path.read_text()
    seen = set()
    for number in range(2):
        picture((64, 64), number).save(tmp_path / "masks" / "00.png")
        path.write_text(plain + 'conditioning_data_dir = "masks"\n')
        seen.add(with_digests(found(path)).digest())
    for line in ("", "custom_attributes = { loss_weight = 2.0 }", "random_crop = true", "token_warmup_step = 9"):
        path.write_text(plain + line + "\n")
        seen.add(with_digests(found(path)).digest())
    assert len(seen) == 6


def test_regularization_and_held_out_pictures_are_not_counted(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_pictures(tmp_path / "reg", [(64, 64)] * 3)
    write_pictures(tmp_path / "held", [(64, 64)] * 2)
    more = '[[datasets.subsets]]\nimage_dir = "reg"\nis_reg = true\n[[datasets]]\nresolution = 64\n'
    more += 'validation_split = 1.0\n[[datasets.subsets]]\nimage_dir = "held"\n'
    path.write_text(path.read_text() + more)
    dataset = found(path)
    assert (len(dataset.items), dataset.num_repeats, sum(dataset.bucket_counts().values())) == (10, 10, 10)
    assert [item.path.parent.name for item in dataset.items if item.is_held_out] == ["held", "held"]
    assert dataset.tag_counts()["1girl"] == 10
    assert dataset.tag_counts()["number 3"] == 2
    digest = with_digests(dataset).digest()
    (tmp_path / "held" / "00.txt").write_text("another")
    assert with_digests(found(path)).digest() == digest


def test_nothing_to_train(tmp_path: Path) -> None:
    path = write_set(tmp_path, subset="is_reg = true")
    with pytest.raises(DatasetError, match="nothing is trained"):
        found(path)


@pytest.mark.parametrize(
    ("number", "split", "held"), [(10, 0.2, 2), (10, 0.25, 2), (3, 0.5, 2), (7, 1.0, 7), (1, 0.1, 0)]
)
def test_how_many_are_held_out(number: int, split: float, held: int) -> None:
    paths = [Path(f"{name:03}.png") for name in range(number)]
    assert len(held_out(paths, split, seed=5)) == held
    assert held_out(paths[::-1], split, seed=5) == held_out(paths, split, seed=5)


def test_pictures_held_out_as_by_sd_scripts() -> None:
    # Of sd-scripts' split_train_val with validation_seed 42 for 0.png to 9.png.
    assert {path.name for path in held_out([Path(f"{n}.png") for n in range(10)], 0.2, seed=42)} == {"0.png", "1.png"}


def test_without_a_seed_this_is_said(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    path.write_text(path.read_text().replace("[[datasets]]", "[[datasets]]\nvalidation_split = 0.4"))
    dataset = found(path)
    assert sum(item.is_held_out for item in dataset.items) == 2
    assert any("validation_seed" in note for note in dataset.notes)


def test_every_line_is_an_alternative(tmp_path: Path) -> None:
    path = write_set(tmp_path, subset="enable_wildcard = true")
    (tmp_path / "girl" / "00.txt").write_bytes(b"\r\n one \r\n\r\ntwo, {a|b}\n")
    dataset = found(path)
    assert dataset.items[0].captions == ("one", "two, {a|b}")
    assert not dataset.notes


def test_a_face_has_the_caption_of_its_picture(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    for name in ("00_1_2_3_4", "00_a_b_c_d"):
        picture((64, 64), 5).save(tmp_path / "girl" / f"{name}.png")
    with pytest.raises(DatasetError, match=r"1 pictures have no .txt caption: 00_a_b_c_d\.png"):
        found(path)
    (tmp_path / "girl" / "00_a_b_c_d.png").unlink()
    assert {item.path.name: item.caption for item in found(path).items}["00_1_2_3_4.png"].startswith("sks, 1girl")


def test_captions_may_be_missing_nowhere(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    write_pictures(tmp_path / "reg", [(64, 64)], extension=".tags")
    path.write_text(path.read_text() + '[[datasets.subsets]]\nimage_dir = "reg"\nis_reg = true\n')
    with pytest.raises(DatasetError, match=r"1 pictures have no \.txt caption"):
        found(path)


def test_hidden_files_and_other_formats_are_no_pictures(tmp_path: Path) -> None:
    path = write_set(tmp_path)
    (tmp_path / "girl" / "._00.png").write_bytes(b"of another system")
    (tmp_path / "girl" / "a.gif").write_bytes(b"GIF89a")
    picture((64, 64), 1).save(tmp_path / "girl" / "B.PnG", "png")
    (tmp_path / "girl" / "B.txt").write_text("b")
    dataset = found(path)
    assert len(dataset.items) == 6
    assert any("not read: a.gif" in note for note in dataset.notes)


def test_loss_weights(tmp_path: Path) -> None:
    weights = '{ loss_weight = 0.5, loss_weights = { "01.png" = 3, "gone.png" = 2 } }'
    dataset = found(write_set(tmp_path, subset=f"custom_attributes = {weights}"))
    assert [item.loss_weight for item in dataset.items] == [0.5, 3.0, 0.5, 0.5, 0.5]
    assert any("gone.png" in note for note in dataset.notes)


def with_masks(root: Path, sizes: list[tuple[int, int]]) -> Path:
    (root / "masks").mkdir(parents=True)
    for number, size in enumerate(sizes):
        Image.new("L", size, 255).save(root / "masks" / f"{number:02}.png")
    return write_set(root, sizes=[(64, 64), (96, 48)], subset='conditioning_data_dir = "masks"')


def test_masks_belong_to_the_stem_and_have_a_digest(tmp_path: Path) -> None:
    dataset = with_digests(found(with_masks(tmp_path, [(64, 64), (192, 96), (8, 8)])))
    assert [item.mask_path.name for item in dataset.items if item.mask_path] == ["00.png", "01.png"]
    assert all(len(item.mask_digest) == 64 for item in dataset.items)
    assert any("masks without a picture: 02.png" in note for note in dataset.notes)


@pytest.mark.parametrize(
    ("sizes", "word"), [([(64, 64)], "1 pictures have no mask: 01.png"), ([(64, 63), (48, 96)], "01")]
)
def test_masks_that_do_not_fit(sizes: list[tuple[int, int]], word: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=word) as caught:
        found(with_masks(tmp_path, sizes))
    assert "mask" in caught.value.hint


def test_buckets_must_be_whole_latents(tmp_path: Path) -> None:
    dataset = found(write_set(tmp_path))
    require_stride(dataset, 8)
    with pytest.raises(DatasetError, match="not a multiple of 64 px"):
        require_stride(dataset, 64)
