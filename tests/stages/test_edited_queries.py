"""Steps for some items, in a dataset: by query, by what records say, and what is made anew when settings change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from edit_runs import look, noise, opened, record, subject

from datakit.actions.advancing import advance
from datakit.actions.importing import import_folder
from datakit.actions.project import Project, open_project
from datakit.actions.starting import start_dataset
from datakit.errors import ConfigError

WIDE: dict[str, Any] = {"do": "limit", "area_px": 70000, "where": "width>400"}


def keys(table: dict[str, Any], **fields: Any) -> str:
    return look(subject("aria/x", **fields), table).key


def test_a_step_of_other_items_changes_nothing() -> None:
    plain = keys({})
    for query in ("concept:beth", "tag:hat", "rating:e width>3", "-concept:aria", "size>1kb", "format:jpg"):
        assert keys({"steps": [{"do": "limit", "where": query}]}) == plain, query
    every = keys({"steps": [{"do": "limit"}]})
    assert every != plain
    for query in ("concept:aria", "name:x or width>3", "size<1kb", "untagged", "format:png"):
        assert keys({"steps": [{"do": "limit", "where": query}]}) == every, query


def test_records_and_captions_that_came_along_are_asked() -> None:
    table = {"steps": [{"do": "limit", "where": "tag:blue_hat or rating:e"}]}
    meant = keys({"steps": [{"do": "limit"}]})
    assert keys(table, record=record(tags={"general": ("blue_hat",)})) == meant
    assert keys(table, record=record(rating="explicit")) == meant
    assert keys(table, scraped_caption="blue hat, x") == meant
    assert keys(table, scraped_caption="red hat", record=record(rating="general")) == keys({})


def test_what_the_key_depends_on() -> None:
    tables: list[dict[str, Any]] = [
        {},
        {"format": "webp"},
        {"background": "red"},
        {"steps": [{"do": "limit"}]},
        {"steps": [{"do": "limit", "area_px": 9}]},
        {"steps": [{"do": "limit"}, {"do": "crop-borders"}]},
        {"steps": [{"do": "crop-borders"}, {"do": "limit"}]},
        {"steps": [{"do": "limit", "where": "width>3"}]},
        {"steps": [{"do": "limit", "where": "width>4"}]},
    ]
    assert len({keys(table) for table in tables}) == len(tables)


def files(project: Project) -> dict[str, tuple[int, int]]:
    folder = project.dataset.root / "edited"
    found = (path for path in sorted(folder.rglob("*")) if path.suffix in (".png", ".jpg"))
    return {path.relative_to(folder).as_posix(): opened(path.read_bytes()).size for path in found}


def with_settings(project: Project, text: str) -> Project:
    (project.dataset.root / "dsk.toml").write_text(text)
    return open_project(project.dataset.root)


@pytest.fixture
def pictures(tmp_path: Path) -> Project:
    """Two concepts with a wide and a high image each, one of them a JPEG."""
    scrape = tmp_path / "scrape"
    for number, concept in enumerate(("aria", "beth")):
        (scrape / concept).mkdir(parents=True)
        noise(500, 300, seed=number).save(scrape / concept / "wide.png")
        noise(300, 500, seed=number + 5).save(scrape / concept / "high.jpg")
    project = open_project(start_dataset(tmp_path / "dataset"))
    import_folder(project, scrape)
    return project


def test_steps_by_query_in_a_dataset(pictures: Project) -> None:
    text = """
[[edited.steps]]
do = "crop-aspect"
where = "concept:beth"
ratios = ["1:1"]

[[edited.steps]]
do = "limit"
where = "concept:beth or width>400"
area_px = 70000
"""
    project = with_settings(pictures, text)
    told = [one.subject for one in advance(project, "edited")]
    assert told[-1] == "edited: 4 images (2 cropped, 3 limited)"
    assert files(project) == {
        "aria/high.jpg": (300, 500),
        "aria/wide.png": (341, 205),
        "beth/high.png": (264, 264),
        "beth/wide.png": (264, 264),
    }
    raw, edited = (project.dataset.root / stage / "aria/high.jpg" for stage in ("raw", "edited"))
    assert raw.read_bytes() == edited.read_bytes()
    assert advance(project, "edited") == []


def test_a_record_that_is_edited_changes_its_image_alone(pictures: Project) -> None:
    advance(pictures, "edited")
    path = pictures.dataset.root / "raw/aria/wide.json"
    item = json.loads(path.read_text())
    path.write_text(json.dumps(item | {"edits": {"crop_px": [10, 20, 100, 50]}}))
    told = advance(open_project(pictures.dataset.root), "edited")
    assert told[-1].num_computed == 1
    assert files(pictures)["aria/wide.png"] == (100, 50)
    made = opened((pictures.dataset.root / "edited/aria/wide.png").read_bytes())
    assert made.tobytes() == noise(500, 300, seed=0).crop((10, 20, 110, 70)).tobytes()


def test_a_wrong_step_stops_before_anything_is_done(pictures: Project) -> None:
    with pytest.raises(ConfigError, match=r"dsk\.toml \[\[edited\.steps\]\] 1 \(limit\): unknown key 'are_px'"):
        advance(with_settings(pictures, '[[edited.steps]]\ndo = "limit"\nare_px = 3\n'), "edited")
    assert files(pictures) == {}
