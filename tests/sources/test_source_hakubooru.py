"""HakuBooru's database: its own numbers, only the rows that are asked for, and damage."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from pathlib import Path

import pytest
from trees import by_image, listing, reasons, tags_of

from datakit.sources import hakubooru

POST = (
    "CREATE TABLE post (id INTEGER PRIMARY KEY, created_at VARCHAR(255) NOT NULL, source VARCHAR(255), md5 TEXT, "
    "parent_id INTEGER, has_children INTEGER NOT NULL, pixiv_id INTEGER, file_ext VARCHAR(255), rating INTEGER, "
    "score INTEGER, up_score INTEGER, fav_count INTEGER, file_url VARCHAR(255), updated_at VARCHAR(255))"
)
TAGS = [(1, "solo", 0), (2, "artist_a", 1), (3, "hatsune_miku", 2), (4, "vocaloid", 3), (5, "highres", 4)]


def make_db(path: Path, ids: tuple[int, ...] = (7, 8), *, has_index: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    base = sqlite3.connect(path)
    base.execute(POST)
    base.execute("CREATE TABLE tag (id INTEGER PRIMARY KEY, name VARCHAR(255), type INTEGER, popularity INTEGER)")
    base.execute("CREATE TABLE posttagrelation (id INTEGER PRIMARY KEY, post_id INTEGER, tag_id INTEGER)")
    base.execute(
        "CREATE TABLE localpost (id INTEGER PRIMARY KEY, filepath VARCHAR(255), latentpath VARCHAR(255), post_id)"
    )
    if has_index:
        base.execute("CREATE INDEX posttagrelation_post_id ON posttagrelation (post_id)")
    base.executemany("INSERT INTO tag VALUES (?, ?, ?, 1)", TAGS)
    for number in ids:
        row = (
            number,
            "2023-05-19T01:30:25.096-04:00",
            "src",
            "a" * 32,
            3,
            1,
            None,
            "png",
            number % 5,
            4,
            5,
            6,
            None,
            None,
        )
        base.execute(f"INSERT INTO post VALUES ({','.join('?' * len(row))})", row)
        base.executemany(
            "INSERT INTO posttagrelation (post_id, tag_id) VALUES (?, ?)", [(number, tag[0]) for tag in TAGS]
        )
    base.execute("INSERT INTO localpost VALUES (1, 'D:\\img\\named.webp', NULL, 8)")
    base.commit()
    base.close()
    return path


@pytest.mark.parametrize("has_index", [True, False])
def test_its_numbers_of_categories_and_ratings(tmp_path: Path, has_index: bool) -> None:
    make_db(tmp_path / "set/data/danbooru2023.db", has_index=has_index)
    files = {"set/images/data-0007.tar/7.webp": b"", "set/images/data-0007.tar/7.txt": "a", "set/images/9.webp": b""}
    found = listing(tmp_path, {**files, "set/named.webp": b"", "elsewhere/8.webp": b""})
    assert found.recognised == {"hakubooru": 2, "folder": 2}
    row = by_image(found)["set/images/data-0007.tar/7.webp"]
    assert tags_of(row) == {
        "artist": ("artist_a",), "character": ("hatsune_miku",), "copyright": ("vocaloid",),
        "general": ("solo",), "meta": ("highres",),
    }  # fmt: skip
    assert row.scraped is not None
    assert (row.scraped.site, row.scraped.post_id, row.scraped.rating) == ("danbooru", "7", "questionable")
    assert (row.scraped.created_at, row.scraped.parent_id) == ("2023-05-19T05:30:25Z", "3")
    assert (row.concept, row.caption) == ("set", "set/images/data-0007.tar/7.txt")
    assert row.scraped.upstream is not None
    assert row.scraped.upstream["rating"] == 2


def test_a_file_that_the_database_lists_and_one_in_a_folder_of_its_own(tmp_path: Path) -> None:
    make_db(tmp_path / "danbooru2023.db")
    rows = by_image(listing(tmp_path, {"miku/named.webp": b"", "data-0008/8.png": b""}))
    assert rows["miku/named.webp"].scraped is not None
    assert rows["miku/named.webp"].scraped.post_id == "8"
    assert rows["miku/named.webp"].concept == ""
    assert rows["data-0008/8.png"].concept == tmp_path.name


def test_a_rating_beyond_the_list_is_told_of(tmp_path: Path) -> None:
    make_db(tmp_path / "x.db", (4,))
    row = by_image(listing(tmp_path, {"4.png": b""}))["4.png"]
    assert row.problems == ("x.db: post 4: field 'rating' is '4', not 0 to 3",)


def test_more_images_than_one_question_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hakubooru, "_BATCH", 3)
    make_db(tmp_path / "x.db", tuple(range(1, 20)))
    found = listing(tmp_path, {f"{number}.png": b"" for number in range(1, 20)})
    assert {row.scraped.post_id for row in found.found if row.scraped} == {str(number) for number in range(1, 20)}


def test_the_database_stays_as_it_is(tmp_path: Path) -> None:
    path = make_db(tmp_path / "x.db")
    before = path.read_bytes(), path.stat().st_mtime_ns
    listing(tmp_path, {"7.png": b""})
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before
    assert sorted(one.name for one in tmp_path.iterdir()) == ["7.png", "x.db"]


def test_a_damaged_database_is_told_of_and_the_images_come_in(tmp_path: Path) -> None:
    data = make_db(tmp_path / "x.db").read_bytes()
    (tmp_path / "x.db").write_bytes(data[:4096] + b"\xff" * (len(data) - 4096))
    (tmp_path / "y.db").write_bytes(b"SQLite format 3\x00" + b"\x01" * 50)
    found = listing(tmp_path, {"7.png": b""})
    assert found.recognised == {"folder": 1}
    assert "damaged database" in reasons(found)["x.db"]
    assert "damaged database" in reasons(found)["y.db"]


def test_views_and_other_databases_are_not_read(tmp_path: Path) -> None:
    base = sqlite3.connect(tmp_path / "v.db")
    base.execute("CREATE TABLE t (id)")
    for name in ("post", "tag", "posttagrelation"):
        base.execute(f"CREATE VIEW {name} AS SELECT 7 AS id FROM t")
    base.close()
    make_db(tmp_path / "n.db", (1,))
    found = listing(tmp_path, {"7.png": b"", "007.png": b"", "x.sqlite": "no database"})
    assert found.recognised == {"folder": 2}
    assert reasons(found)["n.db"] == "a database that knows none of the images that are here"
    assert reasons(found)["v.db"] == "not an image"


def test_rows_that_multiply_with_each_other_are_no_database(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "x.db")) as base:
        base.execute("CREATE TABLE post (id INTEGER)")
        base.execute("CREATE TABLE tag (id INTEGER, name, type)")
        base.execute("CREATE TABLE posttagrelation (post_id INTEGER, tag_id INTEGER)")
        base.execute("INSERT INTO post VALUES (7)")
        base.executemany("INSERT INTO tag VALUES (1, ?, 0)", [(f"t{number}",) for number in range(20_000)])
        base.executemany("INSERT INTO posttagrelation VALUES (7, 1)", [()] * 20_000)
        base.commit()
    began = time.process_time()
    found = listing(tmp_path, {"7.png": b""})
    assert "more tags than posts can have" in reasons(found)["x.db"]
    assert time.process_time() - began < 5
