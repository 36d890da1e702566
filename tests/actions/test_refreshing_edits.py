"""News meets records that people edited, that the first version made, and that two branches refreshed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hands import again
from scraping import picture, sidecar

from datakit.actions.branching import merge, switch
from datakit.actions.importing import import_folder
from datakit.actions.project import Project
from datakit.actions.refreshing import refresh_items
from datakit.model.record import Record, decode_record
from datakit.model.refresh import merge_refreshed
from datakit.repo.operations.undo import undo

KEY = "aria/danbooru_7"


@pytest.fixture
def scraped(empty: Project, tmp_path: Path) -> Project:
    image = picture(tmp_path / f"s/{KEY}.png")
    sidecar(image, id=7, score=3, rating="s", tag_string_general="1girl hat smile", tag_string_character="aria")
    import_folder(empty, tmp_path / "s")
    return empty


def path_of(project: Project, key: str = KEY) -> Path:
    return project.dataset.root / f"raw/{key}.json"


def record(project: Project, key: str = KEY) -> Record:
    return decode_record(path_of(project, key).read_bytes(), path=key)


def edit(project: Project, change: Callable[[dict[str, Any]], object]) -> None:
    table = json.loads(path_of(project).read_text())
    change(table)
    path_of(project).write_text(json.dumps(table))


def news(tmp_path: Path, name: str = "danbooru_7.png", **fields: Any) -> Path:
    sidecar(tmp_path / "new/aria" / name, **{"id": 7, **fields})
    return tmp_path / "new"


def test_a_tag_without_category_that_the_site_removed_goes_from_an_edited_record_too(
    scraped: Project, tmp_path: Path
) -> None:
    refresh_items(scraped, news(tmp_path, tag_string_general="1girl aria hat"))
    edit(scraped, lambda table: table["tags"]["general"].append("mine"))
    refresh_items(scraped, news(tmp_path, tag_string_general="1girl hat"))
    assert record(scraped).tags == {"general": ("1girl", "hat", "mine")}


def test_a_tag_that_a_person_and_the_site_put_into_two_categories_stays_where_the_person_put_it(
    scraped: Project, tmp_path: Path
) -> None:
    edit(scraped, lambda table: table.update(tags={"general": ["1girl", "smile"], "artist": ["hat"], "meta": ["aria"]}))
    refresh_items(
        scraped, news(tmp_path, tag_string_general="1girl smile", tag_string_copyright="hat", tag_string_meta="new")
    )
    assert record(scraped).tags == {"general": ("1girl", "smile"), "artist": ("hat",), "meta": ("new", "aria")}


def test_what_a_person_removed_stays_removed(scraped: Project, tmp_path: Path) -> None:
    edit(scraped, lambda table: [table.pop("rating"), table["tags"].pop("general")])
    report = refresh_items(
        scraped,
        news(tmp_path, score=9, rating="q", tag_string_general="1girl hat smile new", tag_string_character="aria"),
    )
    found = record(scraped)
    assert (found.rating, found.score) == ("", 9)
    assert found.tags == {"character": ("aria",), "general": ("new",)}
    assert report.changes[0].disputes == ("rating",)


def test_undone_news_is_news_again(scraped: Project, tmp_path: Path) -> None:
    path = news(tmp_path, score=9)
    refresh_items(scraped, path)
    undo(scraped.dataset)
    assert record(again(scraped)).score == 3
    assert len(refresh_items(again(scraped), path).changes) == 1
    assert record(scraped).score == 9


def test_a_name_alone_is_no_news(scraped: Project, tmp_path: Path) -> None:
    (tmp_path / f"s/{KEY}.png.json").unlink()
    (tmp_path / f"s/{KEY}.png.txt").write_text("1girl\nhat")
    report = import_folder(scraped, tmp_path / "s")
    assert report.refreshed == []


def test_another_post_is_not_mixed_in(empty: Project, tmp_path: Path) -> None:
    sidecar(picture(tmp_path / "s/a/x.png"), id=1, md5="0" * 32)
    import_folder(empty, tmp_path / "s")
    report = refresh_items(empty, news(tmp_path, id=2, md5="0" * 32, score=9))
    assert (report.changes, len(report.notes)) == ([], 1)


def test_metadata_of_a_whole_post_belongs_to_all_its_pages(empty: Project, tmp_path: Path) -> None:
    for page in range(2):
        image = picture(tmp_path / f"s/me/5_p{page}.png", f"#0000f{page}")
        sidecar(image, id=5, num=page, category="pixiv", rating="General", tags=["hat"])
    import_folder(empty, tmp_path / "s")
    path = news(tmp_path, "5.png", id=5, category="pixiv", rating="General", tags=["hat", "dog"])
    report = refresh_items(empty, path)
    assert [change.key for change in report.changes] == ["me/5_p0", "me/5_p1"]
    assert [record(empty, f"me/5_p{page}").page for page in range(2)] == [0, 1]


def test_a_file_that_cannot_be_read_is_told(scraped: Project, tmp_path: Path) -> None:
    path = news(tmp_path, score=9)
    (path / "aria/8.png.json").write_text("{broken")
    report = refresh_items(scraped, path)
    assert len(report.changes) == 1
    assert [one.path for one in report.aside] == ["aria/8.png.json"]


def test_a_dry_run_sees_the_hand_edits(scraped: Project, tmp_path: Path) -> None:
    edit(scraped, lambda table: table.update(rating="explicit"))
    path = news(tmp_path, rating="q")
    dry = refresh_items(scraped, path, is_dry=True)
    assert dry.changes[0].disputes == ("rating",)
    assert refresh_items(again(scraped), path).changes == dry.changes


def as_first_version(table: dict[str, Any]) -> None:
    """As the first version read a post of a site whose `s` is safe, and whose tags it left alone."""
    for name in ("seen", "updated_at", "favorites", "tags"):
        table.pop(name, None)
    table.update(created_at="2025-01-01", rating="sensitive")


@pytest.mark.parametrize("score", [3, 100])
def test_a_record_of_the_first_version_takes_what_is_read_better_now_and_keeps_edits(
    empty: Project, tmp_path: Path, score: int
) -> None:
    post = {"category": "yandere", "rating": "s", "created_at": "2025-01-01", "score": 3, "tags": "1girl hat"}
    sidecar(picture(tmp_path / f"s/{KEY}.png"), id=7, tag_string_general=None, **post)
    import_folder(empty, tmp_path / "s")
    wanted = record(empty)
    edit(empty, lambda table: [as_first_version(table), table.update(score=score)])
    import_folder(empty, tmp_path / "s")
    found = record(empty)
    assert (found.rating, found.created_at, found.tags) == (wanted.rating, wanted.created_at, wanted.tags)
    assert found.rating == "general"
    assert found.score == score
    assert not import_folder(again(empty), tmp_path / "s").refreshed


def test_two_branches_that_were_refreshed_merge_into_the_newer_news(scraped: Project, tmp_path: Path) -> None:
    switch(scraped, "idea", create=True)
    refresh_items(again(scraped), news(tmp_path, score=9, rating="q", updated_at="2024-02-01T00:00:00Z",
                                       tag_string_general="1girl dog"))  # fmt: skip
    switch(again(scraped), "main")
    refresh_items(again(scraped), news(tmp_path, score=5, rating="g", updated_at="2024-01-01T00:00:00Z",
                                       tag_string_general="1girl cat"))  # fmt: skip
    report = merge(again(scraped), "idea")
    assert (report.conflicts, report.notes) == ((), ())
    found = record(scraped)
    assert (found.score, found.rating, found.tags["general"]) == (9, "questionable", ("1girl", "dog"))
    assert found.upstream is not None
    assert found.upstream["score"] == 9
    for score in (5, 9):  # both are seen
        path = news(tmp_path, score=score, rating="g" if score == 5 else "q",
                    updated_at=f"2024-0{1 if score == 5 else 2}-01T00:00:00Z",
                    tag_string_general=f"1girl {'cat' if score == 5 else 'dog'}")  # fmt: skip
        assert refresh_items(again(scraped), path).changes == []
    report_next = refresh_items(again(scraped), news(tmp_path, score=10, rating="e", tag_string_general="1girl"))
    assert report_next.changes[0].disputes == (), "nobody edited the merged record"


def test_a_hand_edit_on_one_branch_survives_news_on_both(scraped: Project, tmp_path: Path) -> None:
    switch(scraped, "idea", create=True)
    refresh_items(again(scraped), news(tmp_path, score=9, updated_at="2024-02-01T00:00:00Z"))
    switch(again(scraped), "main")
    refresh_items(again(scraped), news(tmp_path, score=3, updated_at="2024-01-01T00:00:00Z"))
    edit(scraped, lambda table: table.update(rating="explicit"))
    report = merge(again(scraped), "idea")
    assert report.notes == ()
    found = record(scraped)
    assert (found.rating, found.score, found.updated_at) == ("explicit", 9, "2024-02-01T00:00:00Z")


@pytest.mark.parametrize("seen", [None, 5, "text", [1], [], {"a": 1}])
def test_a_record_in_which_seen_is_nonsense_is_merged(seen: object) -> None:
    merged, _ = merge_refreshed({"seen": ["a"]}, {"seen": seen, "score": 1}, {"seen": ["a", "b"], "score": 1})
    assert merged["score"] == 1
