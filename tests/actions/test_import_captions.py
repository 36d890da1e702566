"""Captions of an import: what comes with images known already, what is damaged, what lies in other places."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from datakit.actions.importing import ImportReport, import_folder
from datakit.actions.project import Project
from datakit.errors import InputError, UsageError


def fill(root: Path, **captions: str | bytes | None) -> Path:
    (root / "aria").mkdir(parents=True, exist_ok=True)
    for number, (stem, caption) in enumerate(captions.items()):
        Image.new("RGB", (260, 260), (number, len(stem), 9)).save(root / f"aria/{stem}.png")
        if caption is not None:
            data = caption if isinstance(caption, bytes) else caption.encode()
            (root / f"aria/{stem}.txt").write_bytes(data)
    return root


def caption(project: Project, stem: str) -> bytes:
    return (project.dataset.root / f"raw/aria/{stem}.txt").read_bytes()


def subject(project: Project) -> str:
    return str(project.dataset.repo[project.dataset.repo.head.target].message).partition("\n")[0]


def test_a_caption_written_later_comes_to_its_image(empty: Project, tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", x=None, y="mine")
    import_folder(empty, folder)
    (folder / "aria/x.TXT").write_text("later")
    (folder / "aria/y.txt").write_text("other")
    report = import_folder(empty, folder)
    assert report.adopted == {"aria/x.TXT": "raw/aria/x.txt"}
    assert sorted(report.already) == ["aria/x.png", "aria/y.png"]
    assert report.notes == ["aria/y.txt: raw/aria/y.txt says something else, and stays"]
    assert (caption(empty, "x"), caption(empty, "y")) == (b"later", b"mine")
    assert subject(empty) == "import: 1 caption of known images from folder"
    assert import_folder(empty, folder).commit == ""


def test_a_caption_alone_finds_the_image_of_its_name_and_case(empty: Project, tmp_path: Path) -> None:
    import_folder(empty, fill(tmp_path / "s", Xy=None))
    (tmp_path / "t/aria").mkdir(parents=True)
    (tmp_path / "t/aria/xy.txt").write_text("hat")
    report = import_folder(empty, tmp_path / "t")
    assert report.adopted == {"aria/xy.txt": "raw/aria/Xy.txt"}
    assert not report.orphans


def test_bytes_that_are_no_text_are_kept_and_told(empty: Project, tmp_path: Path) -> None:
    latin = "1girl, café".encode("latin-1")
    report = import_folder(empty, fill(tmp_path / "s", x=latin, y=b"", z="ok"))
    assert [note.partition(":")[0] for note in report.notes] == ["aria/x.txt"]
    assert "not UTF-8 (byte 10)" in report.notes[0]
    assert (caption(empty, "x"), caption(empty, "y")) == (latin, b"")


def test_case_twins_keep_their_own_captions(empty: Project, tmp_path: Path) -> None:
    report = import_folder(empty, fill(tmp_path / "s", Twin="upper", twin="lower"))
    (renamed,) = report.renamed.values()
    other = renamed.removeprefix("aria/")
    assert {caption(empty, "Twin"), caption(empty, other)} == {b"upper", b"lower"}
    assert len(other) == len("twin-123456")


def test_a_dataset_is_no_scrape(empty: Project, project: Project, tmp_path: Path) -> None:
    inside = tmp_path / "collection/other"
    (inside / "raw/aria").mkdir(parents=True)
    (inside / "dsk.toml").write_text("")
    Image.new("RGB", (260, 260)).save(inside / "raw/aria/x.png")
    with pytest.raises(UsageError, match="is a dataset itself") as caught:
        import_folder(empty, inside)
    assert caught.value.hint == f"dsk import {inside}/raw"
    fill(tmp_path / "collection", z=None)
    report = import_folder(empty, tmp_path / "collection")
    assert report.concepts == {"aria": 1}
    assert [aside.path for aside in report.aside] == ["other"]
    assert import_folder(empty, inside / "raw").num_imported == 1


def test_a_folder_without_images_says_what_is_in_it(empty: Project, tmp_path: Path) -> None:
    (tmp_path / "s").mkdir()
    for name in ("a.mp4", "b.webm", "c.zip"):
        (tmp_path / "s" / name).write_bytes(b"")
    with pytest.raises(InputError, match="no images or metadata in it, only: 2 video"):
        import_folder(empty, tmp_path / "s")


def test_each_file_of_a_folder_is_in_the_report_once(empty: Project, tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", x="a", y=None)
    (folder / "aria/lost.txt").write_text("lost")
    (folder / "aria/v.mp4").write_bytes(b"")
    (folder / "aria/.h.png").write_bytes(b"")
    report: ImportReport = import_folder(empty, folder)
    assert (report.num_imported, sorted(report.orphans)) == (2, ["aria/lost.txt"])
    assert sorted(aside.path for aside in report.aside) == ["aria/.h.png", "aria/v.mp4"]
    assert not any((report.already, report.adopted, report.failed, report.notes, report.renamed))


def test_a_name_that_is_no_utf_8_comes_in(empty: Project, tmp_path: Path) -> None:
    folder = fill(tmp_path / "s", x=None)
    try:
        (folder / "aria/x.png").rename(folder / "aria/\udcff\udcfe.png")
    except OSError:
        pytest.skip("this file system takes no such name")
    assert import_folder(empty, folder).num_imported == 1
    assert [path.suffix for path in sorted((empty.dataset.root / "raw/aria").iterdir())] == [".json", ".png"]
