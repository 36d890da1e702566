"""Folders with repeats and the finetune tools' metadata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import by_image, danbooru, fill, listing, reasons, tags_of

from datakit.sources.model import read_listing
from datakit.sources.reading.repeats import repeats_of


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("10_sks girl", (10, "sks girl")), ("1_a_b", (1, "a_b")), ("999_x", (999, "x")), ("2023_summer", None),
        ("01_intro", None), ("0_x", None), ("10_", None), ("10_ ", None), ("10", None), ("x_10", None), ("-1_x", None),
    ],
)  # fmt: skip
def test_names_of_folders(name: str, expected: tuple[int, str] | None) -> None:
    assert repeats_of(name) == expected


def test_folders_with_repeats(tmp_path: Path) -> None:
    files = {
        "train/10_sks girl/1.png": b"", "train/10_sks girl/1.caption": "a", "train/10_sks girl/1_sdxl.npz": b"",
        "train/10_sks girl/sub/3.png": b"", "reg/1_girl/2.png": b"", "plain/4.png": b"",
    }  # fmt: skip
    found = listing(tmp_path, files)
    assert found.recognised == {"kohya": 2, "folder": 2}
    row = by_image(found)["train/10_sks girl/1.png"]
    assert (row.concept, row.caption) == ("sks girl", "train/10_sks girl/1.caption")
    assert row.scraped is not None
    assert row.scraped.upstream == {"kohya": {"repeats": 10, "class_tokens": "sks girl"}}
    reg = by_image(found)["reg/1_girl/2.png"].scraped
    assert reg is not None
    assert reg.upstream == {"kohya": {"repeats": 1, "class_tokens": "girl", "is_reg": True}}
    assert reasons(found)["train/10_sks girl/1_sdxl.npz"] == "a trainer's cache"


def test_images_with_metadata_of_another_format_have_their_repeats_too(tmp_path: Path) -> None:
    """Most scrapes are sorted into such folders by hand, sidecars and all."""
    post = {"category": "danbooru", "subcategory": "tag", **danbooru()}
    files = {
        "10_miku/1.png": b"", "10_miku/1.png.json": post, "10_miku/1.txt": "my caption",
        "reg/2_girl/2.png": b"", "reg/2_girl/.2_meta.json": {"danbooru": danbooru(), "filename": "2.png"},
        "danbooru/2_girls/3.png": b"", "danbooru/2_girls/3.png.json": {**post, "search_tags": "2_girls"},
    }  # fmt: skip
    rows = by_image(listing(tmp_path, files))
    first, second, third = rows["10_miku/1.png"], rows["reg/2_girl/2.png"], rows["danbooru/2_girls/3.png"]
    assert (first.concept, first.caption, tags_of(first)["artist"]) == ("miku", "10_miku/1.txt", ("artist_a",))
    assert first.scraped is not None
    assert first.scraped.upstream == {**post, "kohya": {"repeats": 10, "class_tokens": "miku"}}
    assert second.concept == "girl"
    assert third.concept == "", "a folder that gallery-dl named after the search"


def test_the_imported_folder_itself(tmp_path: Path) -> None:
    found = read_listing(fill(tmp_path / "5_miku", {"1.png": b"", "sub/2.png": b""}))
    assert by_image(found)["1.png"].concept == "miku"
    assert by_image(found)["sub/2.png"].concept == ""


@pytest.mark.parametrize("name", ["meta.json", "meta_cap.json", "meta_lat.json"])
def test_metadata_by_path_stem_and_absolute_path(tmp_path: Path, name: str) -> None:
    meta = {
        "a/1": {"caption": "a girl", "tags": "1girl, solo", "train_resolution": [512, 512]},
        "2.png": {"tags": "2girls"},
        "/home/u/train/a/3.webp": {"caption": "three"},
        "C:\\train\\a\\4.png": {"caption": "four"},
        "5": {"image_size": [1, 1]},
        "gone": {"caption": "x"},
    }
    files = {"a/1.png": b"", "2.png": b"", "a/3.webp": b"", "a/4.png": b"", "deep/5.png": b"", name: meta, "6.png": b""}
    rows = by_image(listing(tmp_path, files))
    texts = {image: row.text for image, row in rows.items() if row.sidecar}
    assert texts == {
        "a/1.png": "a girl, 1girl, solo",
        "2.png": "2girls",
        "a/3.webp": "three",
        "a/4.png": "four",
        "deep/5.png": None,
    }
    assert rows["a/1.png"].problems == (f"{name}: 1 entries have no image in here, such as 'gone'",)
    scraped = rows["a/1.png"].scraped
    assert scraped is not None
    assert scraped.upstream == {"kohya": {name: meta["a/1"]}}


def test_a_caption_file_goes_before_metadata(tmp_path: Path) -> None:
    meta = {"1": {"caption": "from the metadata"}, "2": {"caption": "same"}}
    files = {"10_x/1.png": b"", "10_x/1.txt": "mine", "10_x/2.png": b"", "10_x/2.txt": "same\n", "10_x/meta.json": meta}
    rows = by_image(listing(tmp_path, files))
    assert (rows["10_x/1.png"].caption, rows["10_x/1.png"].text) == ("10_x/1.txt", None)
    assert rows["10_x/1.png"].problems == ("10_x/1.txt: says something else than 10_x/meta.json, and is taken",)
    assert rows["10_x/2.png"].problems == ()


def test_json_lines(tmp_path: Path) -> None:
    lines = [{"image_path": "/d/1.png", "caption": "one"}, {"image_path": "a/2.png", "tags": "two"}]
    found = listing(tmp_path, {"1.png": b"", "a/2.png": b"", "d.jsonl": "\n".join(map(json.dumps, lines))})
    assert {row.image: row.text for row in found.found} == {"1.png": "one", "a/2.png": "two"}


def test_metadata_of_images_that_are_not_here(tmp_path: Path) -> None:
    found = listing(tmp_path, {"a/x.png": b"", "a/meta.json": {"../../x": {"caption": "a"}, "y": {"caption": "b"}}})
    assert reasons(found) == {"a/meta.json": "captions of images that are not here, or known from elsewhere"}
    assert found.recognised == {"folder": 1}


def test_one_stem_in_two_folders_is_nobodys(tmp_path: Path) -> None:
    found = listing(tmp_path, {"a/x.png": b"", "b/x.png": b"", "meta.json": {"x": {"caption": "a"}}})
    assert found.recognised == {"folder": 2}
