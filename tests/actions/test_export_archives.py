"""An export as one archive: the same bytes each time, and no file of somebody else's replaced."""

from __future__ import annotations

import hashlib
import json
import tarfile
import zipfile
from pathlib import Path

import pytest
from hands import again

from datakit.actions.exporting.checking import check_export
from datakit.actions.exporting.elsewhere import Elsewhere, Target, export_elsewhere
from datakit.actions.project import Project
from datakit.errors import StateError, UsageError

FORMAT = "kohya"
KINDS = ("zip", "tar")


def to(project: Project, place: Path, kind: str, name: str = FORMAT) -> Elsewhere | None:
    return export_elsewhere(again(project), name, Target(folder=place, archive=kind))


def read(path: Path, kind: str) -> dict[str, bytes]:
    if kind == "zip":
        with zipfile.ZipFile(path) as file:
            assert all(info.compress_type == zipfile.ZIP_STORED for info in file.infolist())
            return {info.filename: file.read(info) for info in file.infolist()}
    with tarfile.open(path) as tar:
        return {one.name: content.read() for one in tar.getmembers() if (content := tar.extractfile(one))}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [FORMAT, "webdataset"])
def test_an_archive_has_the_same_bytes_each_time(advanced: Project, tmp_path: Path, kind: str, name: str) -> None:
    for folder in ("one", "two"):
        assert to(advanced, tmp_path / folder, kind, name) is not None
    path = tmp_path / f"one/{name}.{kind}"
    assert path.read_bytes() == (tmp_path / f"two/{name}.{kind}").read_bytes()
    assert list(path.parent.iterdir()) == [path]
    files = read(path, kind)
    names = list(files)
    assert names[0] == "manifest.json"
    assert names[1:] == sorted(names[1:])
    manifest = json.loads(files.pop("manifest.json"))
    assert {path: hashlib.sha256(data).hexdigest() for path, data in files.items()} == manifest["files"]


@pytest.mark.parametrize("kind", KINDS)
def test_an_archive_is_written_again_only_when_something_changed(advanced: Project, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"set.{kind}"
    assert to(advanced, path, kind) is not None
    before = path.stat().st_ino
    assert to(advanced, path, kind) is None
    assert path.stat().st_ino == before
    (advanced.dataset.root / "wip/aria/danbooru_0.txt").write_text("1girl, red hat")
    target = Target(folder=path, archive=kind)
    assert check_export(again(advanced), FORMAT, target).captions == ("aria/danbooru_0",)
    assert to(advanced, path, kind) is not None
    assert read(path, kind)["1_aria/danbooru_0.txt"] == b"1girl, red hat"
    assert check_export(again(advanced), FORMAT, target).is_current


@pytest.mark.parametrize("kind", KINDS)
def test_what_stands_there_and_is_not_ours_is_refused(advanced: Project, tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"mine.{kind}"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="no archive of dsk export"):
        to(advanced, path, kind)
    assert path.read_bytes() == b"mine"
    path.unlink()
    if kind == "zip":
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("manifest.json", "{}")
    else:
        (tmp_path / "manifest.json").write_text("{}")
        with tarfile.open(path, "w") as tar:
            tar.add(tmp_path / "manifest.json", "manifest.json")
    before = path.read_bytes()
    with pytest.raises(UsageError, match="no archive of dsk export"):
        to(advanced, path, kind)
    assert path.read_bytes() == before


def test_another_export_and_a_folder_are_not_replaced(advanced: Project, tmp_path: Path) -> None:
    path = tmp_path / "set.zip"
    to(advanced, path, "zip")
    with pytest.raises(StateError, match="of the format kohya"):
        to(advanced, path, "zip", "txt-pairs")
    (tmp_path / "folder.tar").mkdir()
    with pytest.raises(UsageError, match="is a folder"):
        to(advanced, tmp_path / "folder.tar", "tar")
    with pytest.raises(UsageError, match="inside the dataset"):
        to(advanced, advanced.dataset.root / "set.zip", "zip")
