"""Newer metadata: it finds its items, changes records only, and goes down under everybody's edits."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from scraping import picture, sidecar

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.refreshing import refresh_items
from datakit.errors import InputError
from datakit.model.record import Record, decode_record


@pytest.fixture
def scraped(empty: Project, tmp_path: Path) -> Project:
    image = picture(tmp_path / "s/aria/danbooru_7.png")
    sidecar(image, id=7, score=3, rating="s", tag_string_general="1girl hat smile", tag_string_character="aria")
    import_folder(empty, tmp_path / "s")
    return empty


def record(project: Project, key: str = "aria/danbooru_7") -> Record:
    return decode_record((project.dataset.root / f"raw/{key}.json").read_bytes(), path=key)


def news(tmp_path: Path, name: str = "danbooru_7.png", **fields: Any) -> Path:
    sidecar(tmp_path / "new/aria" / name, **fields)
    return tmp_path / "new"


def test_json_alone_changes_the_record_and_says_what(scraped: Project, tmp_path: Path) -> None:
    path = news(tmp_path, id=7, score=40, rating="q", tag_string_general="1girl smile red_eyes",
                tag_string_character="aria")  # fmt: skip
    report = refresh_items(scraped, path)
    (change,) = report.changes
    assert change.key == "aria/danbooru_7"
    assert (change.added, change.removed) == ({"general": ("red_eyes",)}, {"general": ("hat",)})
    assert change.fields == {"rating": ("sensitive", "questionable"), "score": (3, 40)}
    found = record(scraped)
    assert found.tags == {"character": ("aria",), "general": ("1girl", "smile", "red_eyes")}
    assert (found.score, found.rating) == (40, "questionable")
    assert found.upstream is not None
    assert found.upstream["score"] == 40


def test_the_same_news_twice_is_no_news_and_the_old_scrape_does_not_bring_the_old_state_back(
    scraped: Project, tmp_path: Path
) -> None:
    path = news(tmp_path, id=7, score=40, tag_string_general="1girl")
    refresh_items(scraped, path)
    head = scraped.dataset.head
    assert refresh_items(scraped, path).num_same == 1
    assert not import_folder(scraped, tmp_path / "s").refreshed
    assert scraped.dataset.head == head
    assert record(scraped).score == 40


def test_older_metadata_does_not_come_in(scraped: Project, tmp_path: Path) -> None:
    refresh_items(scraped, news(tmp_path, id=7, score=40, updated_at="2024-05-01T00:00:00Z"))
    report = refresh_items(scraped, news(tmp_path, id=7, score=20, updated_at="2023-05-01T00:00:00-05:00"))
    assert (report.num_older, report.changes) == (1, [])
    assert record(scraped).score == 40


def test_a_dry_run_shows_the_change_and_makes_none(scraped: Project, tmp_path: Path) -> None:
    head, before = scraped.dataset.head, record(scraped)
    report = refresh_items(scraped, news(tmp_path, id=7, score=40), is_dry=True)
    assert len(report.changes) == 1
    assert (scraped.dataset.head, record(scraped)) == (head, before)


def test_tags_go_down_and_hand_edits_stay(scraped: Project, tmp_path: Path) -> None:
    advance(scraped)
    caption = scraped.dataset.root / "wip/aria/danbooru_7.txt"
    words = caption.read_text().split(", ")
    caption.write_text(", ".join([*(word for word in words if word != "1girl"), "my own words"]))
    refresh_items(scraped, news(tmp_path, id=7, tag_string_general="1girl smile red_eyes", tag_string_character="aria"))
    advance(open_project(scraped.dataset.root))
    assert set(caption.read_text().split(", ")) == {"aria", "smile", "red eyes", "my own words"}


def test_a_record_edited_by_hand_keeps_the_edit(scraped: Project, tmp_path: Path) -> None:
    path = scraped.dataset.root / "raw/aria/danbooru_7.json"
    table = json.loads(path.read_text())
    table["tags"]["general"] = ["1girl", "hat", "smile", "mine"]
    table["rating"] = "explicit"
    path.write_text(json.dumps(table))
    report = refresh_items(
        scraped, news(tmp_path, id=7, rating="q", score=5, tag_string_general="1girl smile red_eyes")
    )
    found = record(scraped)
    assert set(found.tags["general"]) == {"1girl", "smile", "mine", "red_eyes"}
    assert (found.rating, found.score) == ("explicit", 5)
    assert report.changes[0].disputes == ("rating",)


def test_an_import_of_newer_metadata_refreshes(scraped: Project, tmp_path: Path) -> None:
    sidecar(tmp_path / "s/aria/danbooru_7.png", id=7, score=9, tag_string_general="1girl")
    report = import_folder(scraped, tmp_path / "s")
    assert [change.key for change in report.refreshed] == ["aria/danbooru_7"]
    assert report.commit
    assert record(scraped).score == 9


def test_metadata_finds_a_plain_image_by_its_md5_and_by_its_sha256(empty: Project, tmp_path: Path) -> None:
    data = picture(tmp_path / "s/aria/x.png").read_bytes()
    other = picture(tmp_path / "s/aria/y.png", "blue").read_bytes()
    import_folder(empty, tmp_path / "s")
    path = news(tmp_path, "whatever.png", id=1, md5=hashlib.md5(data).hexdigest(), score=1)
    news(tmp_path, f"{hashlib.sha256(other).hexdigest()}.png", id=2, score=2)
    report = refresh_items(empty, path)
    assert [change.key for change in report.changes] == ["aria/x", "aria/y"]
    assert (record(empty, "aria/x").post_id, record(empty, "aria/y").post_id) == ("1", "2")


def test_another_sites_metadata_is_not_mixed_in(scraped: Project, tmp_path: Path) -> None:
    sidecar(tmp_path / "s/aria/danbooru_7.png", id=7, md5="0" * 32)
    import_folder(scraped, tmp_path / "s")
    report = refresh_items(scraped, news(tmp_path, id=1, md5="0" * 32, category="gelbooru", tags="hat"))
    assert not report.changes
    assert "from danbooru, and is not mixed with gelbooru" in report.notes[0]


def test_what_the_news_does_not_say_stays(scraped: Project, tmp_path: Path) -> None:
    refresh_items(scraped, news(tmp_path, id=7, tag_string_general=""))
    found = record(scraped)
    assert (found.score, found.rating, found.tags["character"]) == (3, "sensitive", ("aria",))


def test_tags_without_categories_keep_those_that_the_record_has(scraped: Project, tmp_path: Path) -> None:
    refresh_items(scraped, news(tmp_path, id=7, tag_string_general="1girl aria red_eyes"))
    assert record(scraped).tags == {"character": ("aria",), "general": ("1girl", "red_eyes")}


def test_metadata_of_no_item_is_told(scraped: Project, tmp_path: Path) -> None:
    report = refresh_items(scraped, news(tmp_path, "z.png", id=99))
    assert [one.path for one in report.unknown] == ["aria/z.png.json"]
    assert report.commit == ""
    with pytest.raises(InputError, match="no such file"):
        refresh_items(scraped, tmp_path / "nowhere")
