"""Hugging Face imagefolders."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import by_image, danbooru, fill, listing, reasons, tags_of

from datakit.sources.model import read_listing


def lines(*rows: object) -> str:
    return "\n".join(map(json.dumps, rows))


def test_rows_name_their_files(tmp_path: Path) -> None:
    rows = lines({"file_name": "a.png", "text": "one", "size": 3}, {"file_name": "miku/b.png", "caption": "two"})
    found = read_listing(
        fill(
            tmp_path / "set",
            {"train/metadata.jsonl": rows, "train/a.png": b"", "train/miku/b.png": b"", "train/c.png": b""},
        )
    )
    rows_ = by_image(found)
    assert found.recognised == {"huggingface": 2, "folder": 1}
    assert (rows_["train/a.png"].text, rows_["train/a.png"].concept) == ("one", "set")
    assert (rows_["train/miku/b.png"].text, rows_["train/miku/b.png"].concept) == ("two", "")
    scraped = rows_["train/a.png"].scraped
    assert scraped is not None
    assert scraped.upstream == {"huggingface": {"file_name": "a.png", "text": "one", "size": 3}, "split": "train"}


@pytest.mark.parametrize("tags", [["Long Hair", "solo"], "long_hair solo", "long hair, solo"])
def test_tags(tmp_path: Path, tags: object) -> None:
    found = listing(tmp_path, {"metadata.jsonl": lines({"file_name": "a.png", "tags": tags}), "a.png": b""})
    assert tags_of(by_image(found)["a.png"]) == {"general": ("long_hair", "solo")}


def test_csv(tmp_path: Path) -> None:
    text = '\ufefffile_name,text,extra\r\na.png,"one, ""two""\nthree",x\r\nb.png,four,y,z\r\nc.png\r\n'
    found = listing(tmp_path, {"metadata.csv": text, "a.png": b"", "b.png": b"", "c.png": b""})
    assert {row.image: row.text for row in found.found} == {
        "a.png": 'one, "two"\nthree',
        "b.png": "four",
        "c.png": None,
    }


def test_a_caption_file_goes_first(tmp_path: Path) -> None:
    row = by_image(
        listing(tmp_path, {"metadata.jsonl": lines({"file_name": "a.png", "text": "x"}), "a.png": b"", "a.txt": "y"})
    )["a.png"]
    assert (row.caption, row.text) == ("a.txt", None)
    assert row.problems == ("a.txt: is taken, and not what metadata.jsonl says",)


def test_a_site_s_columns_are_understood(tmp_path: Path) -> None:
    row = by_image(listing(tmp_path, {"metadata.jsonl": lines(danbooru(file_name="a.png")), "a.png": b""}))["a.png"]
    assert row.scraped is not None
    assert (row.scraped.site, row.scraped.post_id) == ("danbooru", "7")


def test_rows_without_an_image_are_counted(tmp_path: Path) -> None:
    rows = lines({"file_name": "a.png"}, {"file_name": "../b.png"}, {"file_name": "gone.png"}, {"x": 1}, [1]) + "\n{"
    problems = by_image(listing(tmp_path / "in", {"metadata.jsonl": rows, "a.png": b""}))["a.png"].problems
    assert set(problems[:3]) == {
        "metadata.jsonl: 1 × a row leads out of the folder",
        "metadata.jsonl: 1 × a row names an image that is not here",
        "metadata.jsonl: 2 × a row has no file_name",
    }
    assert "not JSON" in problems[3]


def test_what_is_left_aside(tmp_path: Path) -> None:
    files = {
        "data/train-0.parquet": b"PAR1",
        "metadata.jsonl": lines({"file_name": "gone.png"}),
        "a/metadata.csv": "x,y\n1,2\n",
        "b.png": b"",
    }
    found = reasons(listing(tmp_path, files))
    assert "imagefolder" in found["data/train-0.parquet"]
    assert found["metadata.jsonl"] == "metadata of images that are not here, or known from elsewhere"
    assert found["a/metadata.csv"] == "not an image"


def test_folders_with_repeats_keep_their_texts(tmp_path: Path) -> None:
    """Both formats know such an image: one its caption, the other its concept."""
    found = listing(tmp_path, {"10_miku/1.png": b"", "metadata.csv": "file_name,text\n10_miku/1.png,a girl\n"})
    row = by_image(found)["10_miku/1.png"]
    assert (row.text, row.concept) == ("a girl", "miku")
    assert row.scraped is not None
    assert row.scraped.upstream is not None
    assert row.scraped.upstream["kohya"] == {"repeats": 10, "class_tokens": "miku"}
