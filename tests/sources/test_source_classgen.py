"""The mark that pictures of `classgen` have."""

from __future__ import annotations

from pathlib import Path

from trees import by_image, listing

MARK = {
    "generator": "dsk classgen",
    "pictures": {"a_0001.png": {"prompt": "1girl", "seed": "7"}, "gone.png": {"seed": "8"}, "../b.png": {}, "c.png": 3},
}


def test_a_marked_folder_says_how_its_pictures_were_made(tmp_path: Path) -> None:
    files = {"x/classgen.json": MARK, "x/a_0001.png": b"", "x/a_0001.txt": "1girl", "x/dataset.toml": "", "b.png": b""}
    found = listing(tmp_path, {**files, "x/c.png": b""})
    assert found.recognised == {"classgen": 1, "folder": 2}
    assert found.aside == []
    row = by_image(found)["x/a_0001.png"]
    assert row.caption == "x/a_0001.txt"
    assert row.scraped is not None
    assert row.scraped.upstream == {"prompt": "1girl", "seed": "7", "source": "dsk classgen"}
    assert (row.scraped.site, row.scraped.tags) == ("", {})


def test_another_file_of_that_name_is_none(tmp_path: Path) -> None:
    for content in ({"generator": "other", "pictures": {"a.png": {}}}, [], "{", {"generator": "dsk classgen"}):
        found = listing(tmp_path, {"classgen.json": content, "a.png": b""})
        assert found.recognised == {"folder": 1}
        assert by_image(found)["a.png"].scraped is None
