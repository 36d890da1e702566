"""Archives read as folders: whatever is in them, nothing leaves the scratch folder, and every file has an outcome."""

from __future__ import annotations

import os
import stat
import struct
import tarfile
import zipfile
from pathlib import Path

import pytest
from packing import MOMENT_S, add, contents, make_tar, make_zip, reasons

from datakit.errors import InputError, WriteError
from datakit.sources.folders import unpacking
from datakit.sources.folders.walk import Folder, open_folder

FILES = {"a/x.png": b"x", "a/x.txt": b"1girl", "b/y.webp": b"yy"}


def opened(root: Path, *, takes_frames: bool = False) -> Folder:
    return open_folder(root, scratch=root.parent / f"{root.name}-scratch", takes_frames=takes_frames)


@pytest.mark.parametrize(
    ("name", "mode"),
    [("s.tar", "w"), ("s.tar.gz", "w:gz"), ("s.tgz", "w:gz"), ("s.tar.bz2", "w:bz2"), ("s.TAR.XZ", "w:xz")],
)
def test_a_tar_is_a_folder_of_its_stem(tmp_path: Path, name: str, mode: str) -> None:
    folder = opened(make_tar(tmp_path / name, FILES, mode))
    assert (folder.name, contents(folder)) == ("s", FILES)
    assert folder.caption_of("a/x.png") == "a/x.txt"
    assert {file.stat().st_mtime for file in folder.files.values()} == {MOMENT_S}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA])
def test_a_zip_is_a_folder_of_its_stem(tmp_path: Path, method: int) -> None:
    folder = opened(make_zip(tmp_path / "s.v2.cbz", FILES, method))
    assert (folder.name, contents(folder)) == ("s.v2", FILES)


def test_what_the_first_bytes_say_counts(tmp_path: Path) -> None:
    assert contents(opened(make_tar(tmp_path / "s.tar", FILES, "w:gz"))) == FILES
    assert contents(opened(make_zip(tmp_path / "t.tar", FILES))) == FILES


@pytest.mark.parametrize("name", ["s.zip", "s.tar"])
def test_one_top_folder_is_the_folder(tmp_path: Path, name: str) -> None:
    make = make_zip if name.endswith("zip") else make_tar
    folder = opened(make(tmp_path / name, {f"./10_set/{path}": data for path, data in FILES.items()}))
    assert (folder.name, contents(folder)) == ("10_set", FILES)


def test_archives_in_a_folder_are_folders_beside_the_others(tmp_path: Path) -> None:
    root = tmp_path / "scrape"
    make_tar(root / "a/data-0000.tar", {"1.webp": b"1", "sub/2.webp": b"2"})
    make_zip(root / "a/set.zip", {"set/3.png": b"3", "set/p.psd": b""})
    (root / "a/set.txt").write_bytes(b"t")
    folder = opened(root)
    assert contents(folder) == {
        "a/data-0000/1.webp": b"1", "a/data-0000/sub/2.webp": b"2", "a/set/3.png": b"3", "a/set.txt": b"t",
    }  # fmt: skip
    assert reasons(folder) == {"a/set/p.psd": "not an image"}


def test_an_archive_never_mixes_with_a_folder_of_its_name(tmp_path: Path) -> None:
    root = tmp_path / "scrape"
    for name in ("d/1.png", "d.tar.zip/1.png"):
        (root / name).parent.mkdir(parents=True)
        (root / name).write_bytes(b"disk")
    make_tar(root / "d.tar", {"1.png": b"tar"})
    make_zip(root / "d.zip", {"1.png": b"zip"})
    make_zip(root / "d.tar.zip.zip", {"1.png": b"twice"})
    found = contents(opened(root))
    assert found == {
        "d/1.png": b"disk", "d.tar.zip/1.png": b"disk", "d.tar/1.png": b"tar", "d.zip/1.png": b"zip",
        "d.tar.zip.zip/1.png": b"twice",
    }  # fmt: skip


EVIL = ["../e.png", "a/../../e.png", "/e.png", "C:/e.png", "c:e.png", "..\\e.png", "a\\e.png", "n" * 300 + ".png",
        "/".join(["d" * 200] * 30) + "/e.png"]  # fmt: skip


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_no_name_leaves_the_scratch_folder(tmp_path: Path, kind: str) -> None:
    make = make_zip if kind == "zip" else make_tar
    folder = opened(make(tmp_path / f"s.{kind}", {"ok.png": b"", **dict.fromkeys(EVIL, b"evil")}))
    assert list(folder.files) == ["ok.png"]
    assert len(folder.odd) == len(EVIL)
    assert all("name" in one.reason and len(one.path) <= 120 for one in folder.odd)
    assert sorted(path.name for path in tmp_path.iterdir()) == [f"s.{kind}", f"s.{kind}-scratch"]


def test_a_zip_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", {"e.pngXhtml": b"", "ok.png": b""})
    archive.write_bytes(archive.read_bytes().replace(b"e.pngX", b"e.png\0"))
    assert reasons(opened(archive)) == {"e.png\ufffdhtml": "its name holds a NUL"}


def test_links_and_devices_are_told_and_hard_links_resolved(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w") as bundle:
        add(bundle, "a/x.png", b"x")
        add(bundle, "a/same.png", kind=tarfile.LNKTYPE, link="./a/x.png")
        add(bundle, "a/evil.png", kind=tarfile.LNKTYPE, link="/etc/passwd")
        add(bundle, "a/soft.png", kind=tarfile.SYMTYPE, link="/etc/passwd")
        add(bundle, "a/pipe.png", kind=tarfile.FIFOTYPE)
        add(bundle, "a/disk.png", kind=tarfile.BLKTYPE)
        add(bundle, "a/soft", kind=tarfile.SYMTYPE, link="/tmp")
        add(bundle, "a/soft/y.png", b"y")
        add(bundle, "b", kind=tarfile.DIRTYPE)
        add(bundle, "c.png", b"c")
    folder = opened(tmp_path / "s.tar")
    assert contents(folder) == {"a/x.png": b"x", "a/same.png": b"x", "a/soft/y.png": b"y", "c.png": b"c"}
    assert reasons(folder) == {
        "a/evil.png": "hard link to what is not unpacked",
        "a/soft.png": "symbolic link (not followed)",
        "a/pipe.png": "not a regular file",
        "a/disk.png": "not a regular file",
        "a/soft": "symbolic link (not followed)",
    }


def test_a_link_in_a_zip_is_told(tmp_path: Path) -> None:
    row = zipfile.ZipInfo("l.png")
    row.create_system, row.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as bundle:
        bundle.writestr(row, "/etc/passwd")
        bundle.writestr("ok.png", "")
    assert reasons(opened(tmp_path / "s.zip")) == {"l.png": "symbolic link (not followed)"}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_of_two_members_of_one_name_the_later_is_read(tmp_path: Path, kind: str) -> None:
    if kind == "zip":
        with zipfile.ZipFile(tmp_path / "s.zip", "w") as bundle:
            for name, text in [("x.png", "1"), ("X.png", "2"), ("./x.png", "3")]:
                bundle.writestr(name, text)
    else:
        with tarfile.open(tmp_path / "s.tar", "w") as tar:
            for name, data in [("x.png", b"1"), ("X.png", b"2"), ("./x.png", b"3")]:
                add(tar, name, data)
    folder = opened(tmp_path / f"s.{kind}")
    assert contents(folder) == {"X.png": b"2", "x.png": b"3"}
    assert reasons(folder) == {"x.png": "a later file of the archive has the same name; that one is read"}


def test_only_what_can_matter_is_unpacked(tmp_path: Path) -> None:
    names = ["a.png", "a.txt", "a.png.json", "data.jsonl", "x.db", "v.mp4", "g.gif", "i.zip", "i.tar.gz", "t.npz",
             "t.exe", ".DS_Store", "__MACOSX/._a.png", ".git/b.png", ".h.png", ".a_meta.json", "no_end"]  # fmt: skip
    folder = opened(make_zip(tmp_path / "s.zip", dict.fromkeys(names, b"-")))
    assert set(contents(folder)) == {"a.png", "a.txt", "a.png.json", "data.jsonl", "x.db", ".a_meta.json"}
    assert set(folder.files) - set(contents(folder)) == {"v.mp4", "g.gif"}
    assert folder.images == ["a.png"]
    assert reasons(folder) == {
        **dict.fromkeys(("i.zip", "i.tar.gz"), "an archive in an archive; unpack it first"),
        **dict.fromkeys(("t.npz", "t.exe", "no_end"), "not an image"),
        ".h.png": "hidden",
    }
    moving = opened(tmp_path / "s.zip", takes_frames=True)
    assert moving.images == ["a.png", "g.gif", "v.mp4"]
    assert moving.read("v.mp4") == b"-"
    assert reasons(moving)["i.zip"] == "an archive in an archive; unpack it first"


def test_a_dataset_in_an_archive_is_left_aside(tmp_path: Path) -> None:
    names = ["set/dsk.toml", "set/raw/a/x.png", "set/wip/a/x.png", "y/raw/z.png", "w/dsk.toml"]
    folder = opened(make_zip(tmp_path / "s.zip", dict.fromkeys(names, b"")))
    assert set(folder.files) == {"y/raw/z.png", "w/dsk.toml"}
    assert reasons(folder) == {"set": "another dataset; its raw folder can be imported"}


@pytest.mark.parametrize(
    ("raws", "names"),
    [
        (["画像.png".encode("cp932"), "表.txt".encode("cp932")], None),
        (["画像.png".encode(), b"a.png"], ["画像.png", "a.png"]),
        (["café.png".encode("cp437"), "naïve.txt".encode("cp437")], ["café.png", "naïve.txt"]),
        (["画像.png".encode("cp932"), "é.txt".encode("cp437")], ["ëµæ£.png", "é.txt"]),
    ],
)
def test_names_of_zips_that_are_not_marked_as_utf_8(tmp_path: Path, raws: list[bytes], names: list[str] | None) -> None:
    marks = [f"{number}{'m' * (len(raw) - 1)}" for number, raw in enumerate(raws)]
    data = make_zip(tmp_path / "s.zip", dict.fromkeys(marks, b"")).read_bytes()
    for mark, raw in zip(marks, raws, strict=True):
        data = data.replace(mark.encode(), raw)
    (tmp_path / "s.zip").write_bytes(data)
    folder = opened(tmp_path / "s.zip")
    if names is None:  # the second byte of 表 is a backslash in Shift-JIS: it is no separator
        names = ["画像.png", "表.txt"]
    assert set(folder.files) == set(names)
    assert not folder.odd


def test_a_unicode_path_field_is_the_name(tmp_path: Path) -> None:
    row = zipfile.ZipInfo("x.png")
    told = "画.png".encode()
    row.extra = struct.pack("<HHBI", 0x7075, 5 + len(told), 1, 0) + told + struct.pack("<HHBi", 0x5455, 5, 1, MOMENT_S)
    with zipfile.ZipFile(tmp_path / "s.zip", "w") as bundle:
        bundle.writestr(row, b"")
    data = (tmp_path / "s.zip").read_bytes().replace(b"x.png", b"\x81.png")
    (tmp_path / "s.zip").write_bytes(data)
    folder = opened(tmp_path / "s.zip")
    assert list(folder.files) == ["画.png"]
    assert folder.path_of("画.png").stat().st_mtime == MOMENT_S


@pytest.mark.parametrize("moment_s", [-5, 0, 2**40, float("inf")])
def test_an_insane_time_gives_way_to_the_archives_own(tmp_path: Path, moment_s: float) -> None:
    row = tarfile.TarInfo("x.png")
    row.mtime = moment_s
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as bundle:
        if moment_s == float("inf"):
            row.mtime, row.pax_headers = 0, {"mtime": "inf"}
        bundle.addfile(row)
    os.utime(tmp_path / "s.tar", (MOMENT_S, MOMENT_S))
    assert opened(tmp_path / "s.tar").path_of("x.png").stat().st_mtime == MOMENT_S


def test_no_room_is_told_before_anything_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "RESERVE_BYTES", 1 << 60)
    for archive in (make_tar(tmp_path / "s.tar", FILES), make_zip(tmp_path / "s.zip", FILES)):
        with pytest.raises(WriteError, match="has room for"):
            opened(archive)
        assert not list((tmp_path / f"{archive.name}-scratch").rglob("*"))


def test_what_is_no_folder_or_archive_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.png").write_bytes(b"")
    for name, words in [("x.png", "is not a folder or archive"), ("none", "no such folder or archive")]:
        with pytest.raises(InputError, match=words):
            opened(tmp_path / name)


def test_backslashes_of_windows_part_folders(tmp_path: Path) -> None:
    place = tmp_path / "old.zip"
    with zipfile.ZipFile(place, "w") as archive:
        for name in ("aria\\x.png", "aria\\x.txt", "..\\y.png"):
            row = zipfile.ZipInfo(name)
            row.create_system = 0
            archive.writestr(row, b"1")
    folder = open_folder(place, scratch=tmp_path / "scratch")
    assert (folder.name, list(folder.files)) == ("aria", ["x.png", "x.txt"])
    assert [one.path for one in folder.odd] == ["../y.png"]
