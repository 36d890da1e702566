"""waifuc's hidden metadata, and cheesechaser's."""

from __future__ import annotations

import base64
from pathlib import Path

from trees import by_image, danbooru, listing, reasons, tags_of

from datakit.sources.waifuc import read_meta

POST = danbooru()
META = {
    "danbooru": POST,
    "group_id": "danbooru_7",
    "filename": "danbooru_7.jpg",
    "tags": {"solo": 1.0, "1girl": 1.0},
    "url": "https://cdn.donmai.us/720x720/a.webp",
}


def test_the_site_s_answer_counts(tmp_path: Path) -> None:
    found = listing(tmp_path, {"danbooru_7.png": b"", ".danbooru_7_meta.json": META, "other.png": b""})
    assert found.recognised == {"waifuc": 1, "folder": 1}
    row = by_image(found)["danbooru_7.png"]
    assert row.scraped is not None
    assert (row.scraped.site, row.scraped.post_id, row.scraped.rating) == ("danbooru", "7", "sensitive")
    assert row.scraped.tags["character"] == ("hatsune_miku",)
    assert META["url"] in row.scraped.urls
    assert row.scraped.upstream == META


def test_what_is_pickled_stays_as_it_is() -> None:
    opaque = {"__type": "os.system", "base64": base64.b64encode(b"cos\nsystem\n(S'false'\ntR.").decode()}
    facts = read_meta({**META, "ccip": opaque, "yande": opaque})
    assert facts.scraped.post_id == "7"
    assert facts.scraped.upstream is not None
    assert facts.scraped.upstream["ccip"] == opaque


def test_names_of_sites_are_those_of_the_records() -> None:
    post = {"id": 5, "tags": "solo", "rating": "s", "md5": "b" * 32, "is_shown_in_index": True}
    assert read_meta({"yande": post}).scraped.site == "yandere"
    assert read_meta({"konachan_net": post}).scraped.site == "konachan"
    assert read_meta({"safebooru": POST}).scraped.site == "danbooru"
    atf = danbooru(file_url="https://booru.allthefallen.moe/data/x.png")
    assert read_meta({"danbooru": atf}).scraped.site == "atfbooru"


def test_tags_without_a_site_are_general(tmp_path: Path) -> None:
    meta = {"path": "/home/a/x.jpg", "group_id": "x", "filename": "x.jpg", "tags": {"Blue Eyes": 0.7, "a_(b)": 0.4}}
    found = listing(tmp_path, {"a/x.jpg": b"", "a/.x_meta.json": meta, "a/x.txt": r"blue_eyes, a_\(b\)"})
    row = by_image(found)["a/x.jpg"]
    assert tags_of(row) == {"general": ("blue_eyes", "a_(b)")}
    assert row.caption == "a/x.txt"


def test_the_page_of_a_post_with_several_images() -> None:
    meta = {"pixiv": {"id": 1, "x_restrict": 0, "user": {}}, "group_id": "pixiv_1", "instance_id": "pixiv_1_3"}
    assert read_meta(meta).scraped.page == 3


def test_without_its_image_it_may_refresh_an_item(tmp_path: Path) -> None:
    found = listing(tmp_path, {".danbooru_7_meta.json": META, ".v_meta.json": META, "v.mp4": b"", ".n_meta.json": {}})
    assert [(row.path, row.scraped.post_id) for row in found.loose] == [(".danbooru_7_meta.json", "7")]
    assert reasons(found)[".v_meta.json"] == "belongs to a moving picture"
    assert reasons(found)[".n_meta.json"] == "metadata of an image that is not here"


def test_broken_metadata_leaves_the_image(tmp_path: Path) -> None:
    found = listing(tmp_path, {"x.png": b"", ".x_meta.json": "{", "y.png": b"", ".y_meta.json": "[1]"})
    rows = by_image(found)
    assert "not JSON" in rows["x.png"].problems[0]
    assert rows["y.png"].problems == (".y_meta.json: not a JSON object; imported without it",)


def test_of_two_images_with_one_stem_the_named_one(tmp_path: Path) -> None:
    found = listing(tmp_path, {"danbooru_7.png": b"", "danbooru_7.jpg": b"", ".danbooru_7_meta.json": META})
    rows = by_image(found)
    assert rows["danbooru_7.jpg"].scraped is not None
    assert rows["danbooru_7.png"].scraped is None


def test_cheesechaser(tmp_path: Path) -> None:
    found = listing(tmp_path, {"7.webp": b"", "7_metainfo.json": POST, "8.webp": b"", "8_metainfo.json": {"a": 1}})
    rows = by_image(found)
    assert rows["7.webp"].scraped is not None
    assert rows["7.webp"].scraped.post_id == "7"
    assert rows["8.webp"].scraped is not None
    assert rows["8.webp"].scraped.upstream == {"a": 1}
