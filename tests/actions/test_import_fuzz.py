"""Whatever lies in a scrape: an import ends, every image comes in, and what is wrong is told with file and field."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scraping import picture

from datakit.actions.importing import Wishes, import_folder
from datakit.actions.project import Project
from datakit.actions.refreshing import refresh_items
from datakit.model.record import CATEGORIES, RATINGS, decode_record

POSTS: list[dict[str, Any]] = [
    {"category": "danbooru", "id": 7, "rating": "s", "score": 3, "md5": "0" * 32, "tag_string_general": "1girl hat",
     "created_at": "2024-01-02T03:04:05.000-05:00", "parent_id": 3, "has_children": False},
    {"category": "e621", "id": 9, "rating": "s", "score": {"up": 3, "total": 3},
     "tags": {"general": ["hat"]}, "file": {"md5": "1" * 32}, "relationships": {"parent_id": None, "children": [4]}},
    {"category": "gelbooru", "id": 3, "rating": "general", "score": "5", "tags": "hat &gt;_&lt;",
     "has_children": "false", "created_at": "Mon Apr 13 20:25:01 -0500 2015", "parent_id": 0},
    {"category": "yandere", "id": 4, "rating": "s", "score": 1, "tags": "hat", "created_at": 1428974701},
    {"category": "pixiv", "id": 5, "num": 2, "rating": "R-18", "tags": ["帽子"], "total_bookmarks": 9},
]  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(1e999) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@st.composite
def sidecars(draw: st.DrawFn) -> bytes:
    """A post with some fields exchanged for anything, perhaps cut off, perhaps in another encoding."""
    post = dict(draw(st.sampled_from(POSTS)))
    for field in draw(st.lists(st.sampled_from(sorted(post)), max_size=3, unique=True)):
        post[field] = draw(JSON)
    data = json.dumps(post, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")
    change = draw(st.sampled_from(["", "", "cut", "utf-16", "junk", "list"]))
    if change == "cut":
        return data[: draw(st.integers(0, len(data)))]
    if change == "utf-16":
        return data.decode("utf-8", "replace").encode("utf-16")
    if change == "junk":
        return draw(st.binary(max_size=40))
    return b"[" + data + b"]" if change == "list" else data


@pytest.fixture
def places(tmp_path: Path) -> itertools.count[int]:
    return itertools.count()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(sidecars(), min_size=1, max_size=4), name=st.sampled_from(["{}.png.json", "{}.json", "{}.png.txt"])
)
def test_no_sidecar_ends_an_import(
    empty: Project, tmp_path: Path, places: itertools.count[int], rows: list[bytes], name: str
) -> None:
    folder = tmp_path / f"s{next(places)}"
    for number, data in enumerate(rows):
        picture(folder / f"aria/{number}.png", f"#00{number:02x}11", (16, 16))
        (folder / "aria" / name.format(number)).write_bytes(data)
    report = import_folder(empty, folder, Wishes(is_dry=True))
    assert report.num_imported + len(report.same_post) + len(report.already) == len(rows)
    assert not report.failed
    for note in report.notes:
        assert "aria/" in note, "what is wrong is told with its file"
    refresh_items(empty, folder, is_dry=True)
    shutil.rmtree(folder)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(sidecars(), min_size=1, max_size=3))
def test_every_record_can_be_read_again(
    empty: Project, tmp_path: Path, places: itertools.count[int], rows: list[bytes]
) -> None:
    run = next(places)
    for number, data in enumerate(rows):
        picture(tmp_path / f"s{run}/aria/{run}_{number}.png", f"#{run:02x}{number:02x}11", (16, 16))
        (tmp_path / f"s{run}/aria/{run}_{number}.png.json").write_bytes(data)
    import_folder(empty, tmp_path / f"s{run}")
    for path in (empty.dataset.root / "raw").rglob("*.json"):
        record = decode_record(path.read_bytes(), path=path.name)
        assert record.rating in {"", *RATINGS}
        assert set(record.tags) <= set(CATEGORIES)
        assert len(record.created_at) in {0, 20}
    assert not import_folder(empty, tmp_path / f"s{run}").commit, "the same again is no news"


def test_a_bad_field_is_told_by_name_and_the_others_are_read(empty: Project, tmp_path: Path) -> None:
    picture(tmp_path / "s/aria/x.png")
    post = {**POSTS[0], "score": "many", "parent_id": [1]}
    (tmp_path / "s/aria/x.png.json").write_text(json.dumps(post))
    report = import_folder(empty, tmp_path / "s")
    assert any("aria/x.png.json" in note and "'score'" in note for note in report.notes)
    assert any("aria/x.png.json" in note and "'parent_id'" in note for note in report.notes)
    record = decode_record((empty.dataset.root / "raw/aria/x.json").read_bytes(), path="x")
    assert (record.rating, record.post_id, record.score) == ("sensitive", "7", None)
