"""What a site's API answered, matched to images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from trees import by_image, danbooru, listing, reasons

from datakit.sources import api_json

A, B, C = "a" * 32, "b" * 32, "c" * 32
POSTS = [danbooru(id=1001, md5=A), danbooru(id=1002, md5=B, file_url=f"https://x/{B}.jpg"), danbooru(id=1003, md5=C)]


def ids(root: Path, files: dict[str, object]) -> dict[str, str]:
    return {
        image: row.scraped.post_id if row.scraped else "" for image, row in by_image(listing(root, files)).items()
    }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        POSTS,
        {"posts": POSTS},
        {"@attributes": {"count": 3}, "post": POSTS},
        "".join(json.dumps(post) + "\n" for post in POSTS),
        "\ufeff" + json.dumps(POSTS),
    ],
    ids=["list", "posts", "gelbooru", "lines", "mark"],
)
def test_posts_belong_to_images_by_md5_id_and_name(tmp_path: Path, content: object) -> None:
    files = {f"x/danbooru_1001_{A}.png": b"", "x/1002.webp": b"", "x/0001003.jpg": b"", "x/mine.png": b""}
    found = ids(tmp_path, {**files, "posts.json": content})
    expected = {f"x/danbooru_1001_{A}.png": "1001", "x/1002.webp": "1002", "x/0001003.jpg": "1003", "x/mine.png": ""}
    assert found == expected


def test_one_post_a_file(tmp_path: Path) -> None:
    files = {"1/1001.json": POSTS[0], "1/1001.webp": b"", "1/odd.json": {"post": POSTS[1]}, "1/odd.png": b""}
    assert ids(tmp_path, files) == {"1/1001.webp": "1001", "1/odd.png": "1002"}


def test_by_the_name_of_its_file(tmp_path: Path) -> None:
    post = danbooru(id=55, md5="", file_url="https://cdn.donmai.us/original/__miku_drawn_by_a__X.PNG?1")
    assert ids(tmp_path, {"posts.json": [post], "__miku_drawn_by_a__x.png": b""}) == {"__miku_drawn_by_a__x.png": "55"}


def test_a_small_number_is_an_id_only_near_the_file(tmp_path: Path) -> None:
    files = {"json/posts.json": [danbooru(id=3, md5="")], "json/3.png": b"", "other/3.png": b""}
    assert ids(tmp_path, files) == {"json/3.png": "3", "other/3.png": ""}


def test_another_site_s_id_is_not_its_own(tmp_path: Path) -> None:
    found = ids(
        tmp_path, {"posts.json": [danbooru(id=1009, md5="")], "yandere_1009_x.png": b"", "danbooru_1009.png": b""}
    )
    assert found == {"danbooru_1009.png": "1009", "yandere_1009_x.png": ""}


def test_posts_without_an_image_are_loose_each_once(tmp_path: Path) -> None:
    old, new = danbooru(updated_at="2023-01-01T00:00:00Z"), danbooru(updated_at="2024-01-01T00:00:00Z", score=9)
    found = listing(tmp_path, {"a.json": [old], "b.json": [new], "c.json": {"post": old}})
    assert [(row.path, row.scraped.score) for row in found.loose] == [("b.json", 9)]


def test_a_file_on_two_sites_keeps_the_first_and_says_so(tmp_path: Path) -> None:
    other = {
        "id": 5,
        "md5": A,
        "tags": "solo",
        "rating": "s",
        "is_shown_in_index": True,
        "file_url": "https://yande.re/x",
    }
    row = by_image(listing(tmp_path, {"a.json": [POSTS[0]], "b.json": [other], f"{A}.png": b""}))[f"{A}.png"]
    assert row.scraped is not None
    assert row.scraped.site == "danbooru"
    assert any("post 5 of yandere" in one for one in row.problems)


def test_bad_entries_and_fields_are_told_of_and_the_rest_goes_on(tmp_path: Path) -> None:
    lines = [json.dumps(danbooru(id=1001, md5=A, score="high")), "{", "[1]", json.dumps(POSTS[1])]
    found = listing(tmp_path, {"posts.jsonl": "\n".join(lines), f"{A}.png": b"", f"{B}.png": b""})
    problems = by_image(found)[f"{A}.png"].problems
    assert "posts.jsonl: post 1001: field 'score' is 'high', not a number" in problems
    assert any("line 2: not JSON" in one for one in problems)
    assert "posts.jsonl: an entry is no post of a known site" in problems
    assert by_image(found)[f"{B}.png"].scraped is not None


def test_other_json_is_left_to_others(tmp_path: Path) -> None:
    files = {"x.png": b"", "x.json": {"foo": 1}, "y.png": b"", "y.json": "{", "z.json": [], "q.json": "{"}
    found = listing(tmp_path, files)
    assert found.recognised == {"folder": 2}
    assert reasons(found)["x.json"] == "metadata in a form that is not read"
    assert "not JSON" in reasons(found)["q.json"]


def test_what_is_too_large_is_left_aside(tmp_path: Path) -> None:
    with (tmp_path / "dump.json").open("wb") as file:
        file.truncate((64 << 20) + 1)
    assert "larger than 64 MiB" in reasons(listing(tmp_path, {}))["dump.json"]


def test_the_posts_that_are_kept_without_an_image_are_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_json, "_MAX_LOOSE", 2)
    found = listing(tmp_path, {"posts.json": POSTS})
    assert len(found.loose) == 2
    assert "1 posts without an image are left out" in found.loose[0].problems[-1]


def test_e621_wrapped_and_single(tmp_path: Path) -> None:
    post = {
        "id": 535, "file": {"md5": B, "url": f"https://static1.e621.net/data/{B}.png"}, "score": {"total": 4},
        "tags": {"general": ["solo"], "species": ["fox"]}, "rating": "s", "relationships": {"parent_id": None},
    }  # fmt: skip
    row = by_image(listing(tmp_path, {"e.json": {"post": post}, f"{B}.png": b""}))[f"{B}.png"]
    assert row.scraped is not None
    assert (row.scraped.site, row.scraped.rating) == ("e621", "general")
    assert row.scraped.tags["species"] == ("fox",)
