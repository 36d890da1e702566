"""gallery-dl's files on disk: every way in which people have it write metadata, and what belongs to which image."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trees import by_image, fill, listing, reasons, tags_of

from datakit.sources.model import SOURCES, Claims, Found

MD5 = "0123456789abcdef0123456789abcdef"
NAME = f"danbooru_7_{MD5}"


def post(number: int = 7, **changes: object) -> dict[str, Any]:
    """A danbooru post as gallery-dl writes it."""
    tags = {"tag_string": f"1girl tag_{number}", "tag_string_general": f"1girl tag_{number}"}
    own = {"category": "danbooru", "subcategory": "tag", "filename": MD5, "extension": "png", "search_tags": "x"}
    return {"id": number, "md5": MD5, "rating": "g", **tags, **own, **changes}


def claim(root: Path, files: dict[str, object], *, is_told: bool = False) -> Claims:
    return SOURCES.load("gallery_dl").claim(fill(root, files), is_told)


def ids(claims: Claims) -> dict[str, str]:
    """Image → id of the post it was paired with; '' for none."""
    return {row.image: row.scraped.post_id if row.scraped else "" for row in claims.found}


def only(claims: Claims) -> Found:
    assert len(claims.found) == 1
    return claims.found[0]


@pytest.mark.parametrize(
    ("image", "sidecar"),
    [
        ("a/x.png", "a/x.png.json"),
        ("a/x.png", "a/x.json"),
        ("a/x.PNG", "a/x.PNG.JSON"),
        ("a/x.jpg", "a/x.png.json"),
        ("a/x.jpg", "a/x.jfif.json"),
        ("a/x.png", "a/metadata/x.png.json"),
        ("a/x.png", "a/metadata/x.json"),
        ("a/x.jpg", "a/json/x.png.json"),
        ("danbooru/a/x.png", "metadata/danbooru/a/x.png.json"),
        ("x.png", "metadata/x.png.json"),
        (f"b/{NAME}.png", f"sidecars/{NAME}.png.json"),
        (f"b/{NAME}.jpg", f"sidecars/{NAME}.png.json"),
        ("b/12345_p0.png", "sidecars/12345_p0.json"),
        ("a/info.png", "a/info.json"),
        ("a/x.y.z.png", "a/x.y.z.png.json"),
        ("a/mädchen 猫.png", "a/mädchen 猫.png.json"),
    ],
)
def test_a_sidecar_finds_its_image(tmp_path: Path, image: str, sidecar: str) -> None:
    claims = claim(tmp_path, {image: b"", sidecar: post()})
    row = only(claims)
    assert (row.image, row.sidecar, row.problems) == (image, sidecar, ())
    assert tags_of(row) == {"general": ("1girl", "tag_7")}
    assert claims.used == {sidecar}
    assert not claims.loose
    assert not claims.aside


def test_of_two_images_with_one_stem_the_post_names_its_own(tmp_path: Path) -> None:
    files = {
        "x.png": b"",
        "x.jpg": b"",
        "x.json": post(),
        "y.png": b"",
        "y.jpg": b"",
        "y.json": post(8, extension="gif"),
    }
    claims = claim(tmp_path, files)
    assert ids(claims) == {"x.png": "7"}
    assert [one.scraped.post_id for one in claims.loose] == ["8"]
    assert "y.jpg and y.png have its name" in claims.loose[0].problems[0]


def test_the_sidecar_with_the_whole_name_wins(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.json": post(1), "x.png.json": post(2), "metadata/x.png.json": post(3)})
    assert ids(claims) == {"x.png": "2"}
    assert claims.used == {"x.json", "x.png.json", "metadata/x.png.json"}


def test_each_of_two_images_with_one_stem_has_its_own_sidecar(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.jpg": b"", "x.png.json": post(1), "x.jpg.json": post(2)})
    assert ids(claims) == {"x.png": "1", "x.jpg": "2"}


def test_a_sidecar_whose_image_is_gone_is_loose(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.png.json": post(1), "gone.png.json": post(2)})
    assert [(one.path, one.scraped.post_id) for one in claims.loose] == [("gone.png.json", "2")]
    assert claims.used == {"x.png.json", "gone.png.json"}


def test_sidecars_alone_are_all_loose(tmp_path: Path) -> None:
    claims = claim(tmp_path, {f"a/{number}.png.json": post(number) for number in (1, 2, 3)})
    assert [one.scraped.post_id for one in claims.loose] == ["1", "2", "3"]


def test_a_name_that_two_folders_have_is_not_guessed_from_afar(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"a/1.png": b"", "b/1.png": b"", "meta/1.png.json": post()})
    assert not claims.found
    assert [one.path for one in claims.loose] == ["meta/1.png.json"]


def test_a_page_of_one_gallery_is_not_taken_for_anothers(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"a/001.png": b"", "b/001.png.json": post(), "b/c/001.json": post()})
    assert not claims.found
    assert [one.path for one in claims.loose] == ["b/001.png.json", "b/c/001.json"]


def test_the_same_post_in_two_searches_is_read_for_both(tmp_path: Path) -> None:
    files = {f"{tag}/{NAME}.png": b"" for tag in ("cat", "dog")}
    sidecars = {f"{tag}/{NAME}.png.json": post(search_tags=tag) for tag in ("cat", "dog")}
    assert ids(claim(tmp_path, files | sidecars)) == dict.fromkeys(files, "7")


def test_an_info_json_is_no_images_metadata(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"a/x.png": b"", "a/x.png.json": post(1), "a/y.png": b"", "a/info.json": post(2)})
    assert ids(claims) == {"a/x.png": "1"}
    assert not claims.loose
    assert {one.path: one.reason for one in claims.aside} == {
        "a/info.json": "gallery-dl's info.json: tells of a folder, not of one image"
    }


def test_a_gallerys_info_json_tells_of_its_images(tmp_path: Path) -> None:
    gallery = {"category": "exhentai", "subcategory": "gallery", "gid": 9, "token": "ab", "tags": ["female:hat"]}
    page = {**gallery, "num": 2, "extension": "png", "tags": ["female:shoe"]}
    files = {"g/9_0001_aa_1.png": b"", "g/9_0002_bb_2.png": b"", "g/cover.png": b"", "h/9_0003_cc_3.png": b""}
    claims = claim(tmp_path, {**files, "g/info.json": gallery, "g/9_0002_bb_2.png.json": page})
    rows = {row.image: row.scraped for row in claims.found}
    assert {image: (one.page, one.tags["general"]) for image, one in rows.items() if one} == {
        "g/9_0001_aa_1.png": (1, ("hat",)),
        "g/9_0002_bb_2.png": (2, ("shoe",)),
        "g/cover.png": (None, ("hat",)),
    }
    assert {one.post_id for one in rows.values() if one} == {"9"}


def test_lines_find_their_images(tmp_path: Path) -> None:
    work = {"category": "pixiv", "id": 5, "num": 1, "tags": ["a"], "filename": "5_p1", "extension": "jpg"}
    rows = [
        post(1, md5="1" * 32, filename="1" * 32),
        post(2, md5="2" * 32, filename="pretty"),
        post(3, md5="3" * 32, filename="none"),
        work,
        post(1, md5="1" * 32, filename="1" * 32, rating="e"),
        {"category": "twitter", "tweet_id": 44, "num": 2, "author": {"name": "n"}, "filename": "F", "extension": "jpg"},
    ]
    images = [
        f"a/danbooru_1_{'1' * 32}.png",
        f"a/{'2' * 32}.webp",
        "a/5_p0.jpg",
        "a/5_p1.png",
        "a/44_1.jpg",
        "a/44_2.jpg",
    ]
    lines = "\n".join(json.dumps(row) for row in rows) + "\n\n"
    claims = claim(tmp_path, {**dict.fromkeys(images, b""), "a/data.jsonl": lines})
    assert ids(claims) == {images[0]: "1", images[1]: "2", images[3]: "5", images[5]: "44"}
    first = {row.image: row.scraped for row in claims.found}[images[0]]
    assert first is not None
    assert first.rating == "explicit"
    assert [(one.path, one.scraped.post_id) for one in claims.loose] == [("a/data.jsonl:3", "3")]
    assert claims.used == {"a/data.jsonl"}


def test_a_broken_line_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    lines = json.dumps(post(1)) + "\n{broken\n" + json.dumps(post(2)) + "\n[]\n"
    claims = claim(tmp_path, {"data.jsonl": lines})
    assert [one.scraped.post_id for one in claims.loose] == ["1", "2"]
    told = {one.path: one.reason for one in claims.aside}
    assert told.keys() == {"data.jsonl:2", "data.jsonl:4"}
    assert told["data.jsonl:2"].startswith("not JSON")


def test_an_images_own_sidecar_is_before_a_line(tmp_path: Path) -> None:
    files = {f"{NAME}.png": b"", f"{NAME}.png.json": post(rating="q"), "data.jsonl": json.dumps(post(rating="e"))}
    scraped = only(claim(tmp_path, files)).scraped
    assert scraped is not None
    assert scraped.rating == "questionable"


@pytest.mark.parametrize(
    ("text", "caption"),
    [
        ("1girl\ntag_7\n", ""),
        ("1girl tag_7\n", ""),
        ("1girl\r\ntag_7", ""),
        ("", ""),
        ("a girl who stands in the rain\n", "x.png.txt"),
        ("1girl\nanother_tag\n", "x.png.txt"),
    ],
)
def test_a_list_of_the_posts_own_tags_is_no_caption(tmp_path: Path, text: str, caption: str) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.png.json": post(), "x.png.txt": text})
    assert only(claims).caption == caption
    assert ("x.png.txt" in claims.used) == (not caption)


def test_a_caption_is_kept_beside_a_list_of_tags(tmp_path: Path) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.png.json": post(), "x.png.txt": "1girl\ntag_7", "x.txt": "a girl"})
    assert only(claims).caption == "x.txt"
    assert "x.png.txt" in claims.used


def test_a_list_of_tags_with_both_names_of_each_is_pixivs(tmp_path: Path) -> None:
    tags = [{"name": "風景", "translated_name": "scenery"}, {"name": "空", "translated_name": None}]
    work = {"category": "pixiv", "id": 5, "num": 0, "tags": tags, "extension": "jpg"}
    claims = claim(tmp_path, {"5_p0.jpg": b"", "5_p0.jpg.json": work, "5_p0.jpg.txt": "scenery\n空\n風景\n"})
    assert only(claims).caption == ""


@pytest.mark.parametrize("text", ["armor\nlong_sword\n", "armor long_sword\n", "armor\r\n\r\nlong_sword"])
def test_tags_without_metadata_are_the_caption_of_an_image_that_gallery_dl_named(tmp_path: Path, text: str) -> None:
    """The text is what is imported, since the list itself may be one line without a comma: one tag to a trainer."""
    claims = claim(tmp_path, {f"yandere_51_{MD5}.png": b"", f"yandere_51_{MD5}.png.txt": text})
    row = only(claims)
    assert (row.caption, row.text) == ("", "armor, long sword")
    assert claims.used == {f"yandere_51_{MD5}.png.txt"}
    assert row.scraped is not None
    assert row.scraped.upstream == {"gallery_dl": {f"yandere_51_{MD5}.png.txt": text}}
    assert (row.scraped.site, row.scraped.post_id, row.scraped.md5) == ("yandere", "51", MD5)
    assert row.scraped.tags == {}


@pytest.mark.parametrize("image", ["x.png", f"nobody_51_{MD5}.png", f"{MD5}.png", "danbooru_51.png"])
def test_tags_beside_an_image_without_its_mark_are_left(tmp_path: Path, image: str) -> None:
    claims = claim(tmp_path, {image: b"", f"{image}.txt": "armor\nsword"})
    assert (claims.found, claims.used, claims.aside) == ([], set(), [])


@pytest.mark.parametrize(
    "content",
    [
        {"id": 7, "tag_string": "1girl", "tag_string_general": "1girl"},
        {"category": "something", "tags": "a b"},
        {"category": "dog", "filename": "x.png", "caption": "a dog"},
        {"category": "x", "filename": "x.png", "tags": ["a"]},
        {"category": ["danbooru"]},
        [post()],
        "{",
        "",
        "[" * 100_000,
    ],
)
def test_json_without_the_mark_is_left(tmp_path: Path, content: object) -> None:
    claims = claim(tmp_path, {"x.png": b"", "x.png.json": content})
    assert (claims.found, claims.loose, claims.used, claims.aside) == ([], [], set(), [])


def test_a_person_may_say_that_unmarked_posts_are_gallery_dls(tmp_path: Path) -> None:
    plain = {"id": 7, "tag_string": "1girl", "tag_string_general": "1girl"}
    claims = claim(tmp_path, {"x.png": b"", "x.png.json": plain, "y.png": b"", "y.png.json": "{"}, is_told=True)
    assert ids(claims) == {"x.png": "7", "y.png": ""}


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe\x00", b'{"category": "dan', b"\x00" * 99, b"[" * 100_000])
def test_a_broken_sidecar_among_good_ones_is_told(tmp_path: Path, content: bytes) -> None:
    claims = claim(
        tmp_path,
        {
            "x.png": b"",
            "x.png.json": content,
            "y.png": b"",
            "y.png.json": b"\xef\xbb\xbf" + json.dumps(post()).encode(),
        },
    )
    assert ids(claims) == {"x.png": "", "y.png": "7"}
    problem = claims.found[0].problems[0]
    assert problem.startswith("x.png.json: not JSON")
    assert problem.endswith("; imported without it")
    assert claims.used == {"x.png.json", "y.png.json"}


def test_a_field_that_is_wrong_is_told_with_its_file(tmp_path: Path) -> None:
    row = only(claim(tmp_path, {"x.png": b"", "x.png.json": post(score="high")}))
    assert row.problems == ("x.png.json: field 'score' is 'high', not a number",)
    assert tags_of(row) == {"general": ("1girl", "tag_7")}


MARKS = {"subcategory": "tag", "id": 1}


@pytest.mark.parametrize("category", ["", " ", "www."])
def test_a_post_that_names_no_site_is_told(tmp_path: Path, category: str) -> None:
    row = only(claim(tmp_path, {"x.png": b"", "x.png.json": {"category": category, "extension": "png", **MARKS}}))
    assert row.scraped is None
    assert row.problems == ("x.png.json: field 'category' names no site; imported without it",)


@pytest.mark.parametrize("other", ["v.mp4", "v.webm", "v.gif", "v.zip", "v.swf"])
def test_metadata_of_other_files_is_left_aside(tmp_path: Path, other: str) -> None:
    claims = claim(tmp_path, {other: b"", f"{other}.json": post()})
    assert not claims.found
    assert not claims.loose
    assert [one.path for one in claims.aside] == [f"{other}.json"]


def test_everything_of_a_scrape_has_its_outcome(tmp_path: Path) -> None:
    files = {
        "danbooru/cat/a.png": b"", "danbooru/cat/a.png.json": post(1), "danbooru/cat/a.png.txt": "1girl\ntag_1",
        "danbooru/cat/b.png": b"", "danbooru/cat/v.mp4": b"", "danbooru/cat/v.mp4.json": post(3),
        "danbooru/cat/info.json": post(1),
    }  # fmt: skip
    found = listing(tmp_path, files)
    rows = by_image(found)
    assert rows.keys() == {"danbooru/cat/a.png", "danbooru/cat/b.png"}
    assert rows["danbooru/cat/b.png"].scraped is None
    assert found.recognised == {"gallery_dl": 1, "folder": 1}
    assert reasons(found).keys() == {"danbooru/cat/v.mp4", "danbooru/cat/v.mp4.json", "danbooru/cat/info.json"}
