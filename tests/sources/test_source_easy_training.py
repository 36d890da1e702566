"""Dataset TOML of LoRA Easy Training Scripts and sd-scripts."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from trees import by_image, fill, listing, reasons

from datakit.errors import InputError
from datakit.sources.easy_training import image_folders, subsets_in
from datakit.sources.model import read_listing

EASY = """
[[subsets]]
image_dir = "D:/train/set/10_miku"
num_repeats = 3
caption_extension = ".tags"
keep_tokens = 1
[[subsets]]
image_dir = "/elsewhere/my set"
[train_mode]
train_mode = "lora"
[general_args.args]
seed = 1
[general_args.dataset_args]
resolution = 1024
"""
KOHYA = """
[general]
caption_extension = ".caption"
[[datasets]]
resolution = 1024
num_repeats = 4
[[datasets.subsets]]
image_dir = "sub/a"
class_tokens = "sks girl"
[[datasets.subsets]]
image_dir = "../set/reg"
is_reg = true
num_repeats = 1
since = 2024-01-01
"""


def test_easy_training(tmp_path: Path) -> None:
    files = {
        "10_miku/1.png": b"",
        "10_miku/1.tags": "a",
        "10_miku/1.txt": "b",
        "10_miku/sub/2.png": b"",
        "job.toml": EASY,
    }
    found = listing(tmp_path, files)
    row = by_image(found)["10_miku/1.png"]
    assert (row.caption, row.concept, row.sidecar) == ("10_miku/1.tags", "miku", "job.toml")
    assert row.scraped is not None
    assert row.scraped.upstream is not None
    facts = row.scraped.upstream["kohya"]
    assert (facts["repeats"], facts["subset"]["keep_tokens"]) == (3, 1)
    assert reasons(found)["job.toml: /elsewhere/my set"].endswith("dsk import '/elsewhere/my set'")
    assert found.recognised == {"easy_training": 1, "folder": 1}
    assert found.orphans == ["10_miku/1.txt"]


def test_sd_scripts(tmp_path: Path) -> None:
    files = {"sub/a/1.png": b"", "sub/a/1.caption": "a", "sub/a/1.txt": "b", "reg/2.png": b"", "d.toml": KOHYA}
    found = read_listing(fill(tmp_path / "set", files))
    rows = by_image(found)
    assert rows["sub/a/1.png"].caption == "sub/a/1.caption"
    assert rows["sub/a/1.png"].scraped is not None
    assert rows["sub/a/1.png"].scraped.upstream is not None
    assert rows["sub/a/1.png"].scraped.upstream["kohya"]["repeats"] == 4
    assert rows["sub/a/1.png"].scraped.upstream["kohya"]["class_tokens"] == "sks girl"
    reg = rows["reg/2.png"].scraped
    assert reg is not None
    assert reg.upstream is not None
    assert (reg.upstream["kohya"]["is_reg"], reg.upstream["kohya"]["subset"]["since"]) == (True, "2024-01-01")


@pytest.mark.parametrize("place", ["../reg", "/", "..", "../set2/a", "a\\u0000b", "~", "$HOME"])
def test_folders_outside_are_not_read(tmp_path: Path, place: str) -> None:
    fill(tmp_path, {"reg/1.png": b"", "set2/a/1.png": b"", "2.png": b""})
    found = read_listing(fill(tmp_path / "set", {"3.png": b"", "d.toml": f'[[subsets]]\nimage_dir = "{place}"'}))
    assert found.recognised == {"folder": 1}
    assert reasons(found)["d.toml"] == "names image folders, none of which is in here"


@pytest.mark.parametrize("place", [".", "./", "/somewhere/set", ""])
def test_the_folder_itself(tmp_path: Path, place: str) -> None:
    toml = f'[[datasets]]\n[[datasets.subsets]]\nimage_dir = "{place}"\n'
    found = read_listing(fill(tmp_path / "set", {"1.png": b"", "d.toml": toml}))
    assert found.recognised == ({"easy_training": 1} if place else {"folder": 1})


@pytest.mark.parametrize(
    "text", ["", "a = 1", "[[subsets]]\nx = 1", "not toml", "subsets = 3", "datasets = [1]", "a = " + "[" * 9000]
)
def test_other_toml_is_left(tmp_path: Path, text: str) -> None:
    found = listing(tmp_path, {"1.png": b"", "d.toml": text})
    assert reasons(found) == {"d.toml": "not an image"}


def test_a_key_of_a_hundred_thousand_parts_and_a_folder_a_thousand_times_take_no_time(tmp_path: Path) -> None:
    keys = "a" + ".a" * 100_000 + " = 1"
    files = {**{f"d/{number}.png": b"" for number in range(300)}, "k.toml": keys}
    began = time.process_time()
    found = listing(tmp_path, {**files, "d.toml": '[[subsets]]\nimage_dir="d"\n' * 4000})
    assert found.recognised == {"easy_training": 300}
    assert time.process_time() - began < 2


def test_the_folders_that_a_file_names(tmp_path: Path) -> None:
    (tmp_path / "d.toml").write_text(KOHYA)
    assert image_folders(tmp_path / "d.toml") == [tmp_path / "sub/a", tmp_path / "../set/reg"]
    (tmp_path / "e.toml").write_text("x")
    with pytest.raises(InputError, match="not TOML"):
        image_folders(tmp_path / "e.toml")
    with pytest.raises(InputError):
        image_folders(tmp_path / "gone.toml")
    assert [one.image_dir for one in subsets_in(EASY)] == ["D:/train/set/10_miku", "/elsewhere/my set"]
