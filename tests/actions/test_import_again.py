"""Importing again after people worked on raw: nothing lost, nothing twice, and a dry run that says the same."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
import pytest
from hands import again
from scraping import picture, sidecar

from datakit.actions.importing import ImportReport, Wishes, import_folder
from datakit.actions.project import Project
from datakit.model.record import decode_record
from datakit.repo.operations.undo import undo


def both(project: Project, path: Path) -> ImportReport:
    """A dry run, and the import, which must say the same."""
    dry = import_folder(again(project), path, Wishes(is_dry=True))
    real = import_folder(again(project), path)
    assert msgspec.structs.replace(dry, is_dry=False, commit=real.commit) == real
    return real


@pytest.fixture
def scraped(empty: Project, tmp_path: Path) -> Project:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    picture(tmp_path / "s/aria/b.png", "blue").with_suffix(".txt").write_text("words")
    import_folder(empty, tmp_path / "s")
    return empty


def names(project: Project) -> list[str]:
    folder = project.dataset.root / "raw"
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.*"))


@pytest.mark.parametrize(
    "gone", [["a.png"], ["a.png", "a.json"], ["a.json"], ["b.txt"], ["b.png", "b.txt"], ["b.json"]]
)
def test_what_was_deleted_by_hand_comes_back_under_its_name(scraped: Project, tmp_path: Path, gone: list[str]) -> None:
    before = names(scraped)
    for name in gone:
        (scraped.dataset.root / "raw/aria" / name).unlink()
    report = both(scraped, tmp_path / "s")
    assert names(scraped) == before
    assert (report.renamed, report.twins, report.versions) == ({}, {}, {})
    assert report.num_imported == sum(name.endswith(".png") for name in gone)


def test_a_record_of_another_image_keeps_its_name(scraped: Project, tmp_path: Path) -> None:
    (scraped.dataset.root / "raw/aria/a.png").unlink()
    picture(tmp_path / "s/aria/a.png", "green")
    report = both(scraped, tmp_path / "s")
    assert report.renamed.keys() == {"aria/a.png"}
    assert "aria/a.json" in names(scraped)


def test_an_image_renamed_by_hand_is_known_before_that_is_saved(scraped: Project, tmp_path: Path) -> None:
    folder = scraped.dataset.root / "raw/aria"
    (folder / "a.png").rename(folder / "z.png")
    report = both(scraped, tmp_path / "s")
    assert (len(report.already), report.num_imported) == (2, 0)


def test_an_image_put_into_raw_by_hand_gets_its_record(empty: Project, tmp_path: Path) -> None:
    picture(empty.dataset.root / "raw/aria/a.png")
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1)
    report = both(empty, tmp_path / "s")
    assert report.recorded == {"aria/a.png": "raw/aria/a.json"}
    assert report.commit
    record = decode_record((empty.dataset.root / "raw/aria/a.json").read_bytes(), path="a")
    assert (record.post_id, record.sha256) == (
        "1", hashlib.sha256((tmp_path / "s/aria/a.png").read_bytes()).hexdigest(),
    )  # fmt: skip


def test_an_undone_import_can_be_done_again(scraped: Project, tmp_path: Path) -> None:
    before = names(scraped)
    undo(scraped.dataset)
    assert names(scraped) == []
    assert both(scraped, tmp_path / "s").num_imported == 2
    assert names(scraped) == before


def test_metadata_of_known_items_is_counted(scraped: Project, tmp_path: Path) -> None:
    (tmp_path / "s/aria/a.png").unlink()
    report = both(scraped, tmp_path / "s")
    assert (report.matched, report.loose) == (["aria/a.png.json"], [])


def test_a_file_that_goes_away_while_it_is_read_does_not_stop_the_others(
    empty: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sidecar(picture(tmp_path / "s/aria/a.png"), id=1, md5="0" * 32)
    sidecar(picture(tmp_path / "s/aria/b.png", "blue"), id=2, md5="1" * 32)
    take = empty.dataset.lfs.ingest

    def ingest(source: Path, extension: str) -> object:
        ref = take(source, extension)
        if source.name == "a.png":
            source.unlink()
            source.mkdir()  # whoever opens it now gets an error that is not "no such file"
        return ref

    monkeypatch.setattr(empty.dataset.lfs, "ingest", ingest)
    report = import_folder(empty, tmp_path / "s")
    assert report.num_imported == 2
    assert report.md5_differs == ["aria/b.png"]


def test_progress_is_told_while_metadata_is_read(empty: Project, tmp_path: Path) -> None:
    for number in range(130):
        sidecar(tmp_path / f"s/aria/{number}.png", id=number)
    picture(tmp_path / "s/aria/0.png")
    told: list[tuple[str, int, int]] = []
    import_folder(empty, tmp_path / "s", progress=lambda *row: told.append(row))
    assert [row for row in told if row[0] == "read"] == [("read", 64, 130), ("read", 128, 130)]
    assert ("import", 1, 1) in told
