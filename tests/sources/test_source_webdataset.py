"""Unpacked shards of webdatasets."""

from __future__ import annotations

from pathlib import Path

from trees import by_image, fill, listing

from datakit.sources.model import read_listing

DATA = {"key": "000012", "caption": "a girl", "url": "https://a.b/c.jpg", "md5": "A" * 32, "status": "success"}


def test_a_sample_of_a_shard(tmp_path: Path) -> None:
    files = {
        "00000/000012.jpg": b"",
        "00000/000012.json": DATA,
        "miku/1.png": b"",
        "miku/1.json": {"__key__": "1", "url": 3},
    }
    rows = by_image(read_listing(fill(tmp_path / "set", files)))
    row = rows["00000/000012.jpg"]
    assert (row.text, row.concept, row.sidecar) == ("a girl", "set", "00000/000012.json")
    assert row.scraped is not None
    assert (row.scraped.urls, row.scraped.md5, row.scraped.upstream) == (("https://a.b/c.jpg",), "a" * 32, DATA)
    assert rows["miku/1.png"].concept == ""


def test_the_text_beside_it_goes_first(tmp_path: Path) -> None:
    row = by_image(listing(tmp_path, {"000012.jpg": b"", "000012.json": DATA, "000012.txt": "mine"}))["000012.jpg"]
    assert (row.caption, row.text) == ("000012.txt", None)


def test_other_json_is_left(tmp_path: Path) -> None:
    files = {"x.jpg": b"", "x.json": {**DATA, "key": ["x"]}, "y.jpg": b"", "y.json": [1], "z.jpg": b"", "z.json": "{"}
    assert listing(tmp_path, files).recognised == {"folder": 3}
    assert listing(tmp_path, files, "webdataset").recognised == {"webdataset": 1, "folder": 2}
