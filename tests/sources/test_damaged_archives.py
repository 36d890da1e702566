"""Bombs, damage and noise: an archive is read as far as it can be, or refused, and never does more."""

from __future__ import annotations

import bz2
import gzip
import random
import sys
import tarfile
import tempfile
import tracemalloc
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packing import add, contents, make_tar, make_zip, reasons

from datakit.errors import InputError
from datakit.sources.folders import unpacking
from datakit.sources.folders.walk import Folder, open_folder

NOISE = random.Random(1).randbytes(3000)


def opened(root: Path) -> Folder:
    return open_folder(root, scratch=root.parent / f"{root.name}-scratch")


def is_empty(archive: Path) -> bool:
    return not list((archive.parent / f"{archive.name}-scratch").rglob("*"))


@pytest.mark.parametrize("name", ["s.zip", "s.tar.gz", "s.tar.bz2", "s.tar.xz"])
def test_a_bomb_is_refused_and_leaves_nothing(tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "SMALL_BYTES", 1 << 20)
    files = {f"{number}.png": bytes(8 << 20) for number in range(2)}
    archive = tmp_path / name
    if name == "s.zip":
        make_zip(archive, files)
    else:
        make_tar(archive, files, f"w:{name.rpartition('.')[2]}")
    with pytest.raises(InputError, match="unpacks to more than"):
        opened(archive)
    assert is_empty(archive)


def test_a_zip_that_lies_about_its_sizes_is_still_a_bomb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "SMALL_BYTES", 1 << 20)
    archive = make_zip(tmp_path / "s.zip", {"1.png": bytes(8 << 20)})
    archive.write_bytes(archive.read_bytes().replace((8 << 20).to_bytes(4, "little"), (10).to_bytes(4, "little")))
    folder = opened(archive)  # the standard library stops at the size that is told, and the checksum is not right
    assert reasons(folder) == {"1.png": "damaged in the archive"}


def test_skipped_members_count_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "SMALL_BYTES", 1 << 20)
    archive = make_tar(tmp_path / "s.tar.gz", {"1.exe": bytes(64 << 20), "x.png": b""}, "w:gz")
    with pytest.raises(InputError, match="unpacks to more than"):
        opened(archive)


def test_too_many_members_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 5)
    with pytest.raises(InputError, match="more than 5 files"):
        opened(make_tar(tmp_path / "s.tar", {f"{number}.png": b"" for number in range(6)}))


@pytest.mark.slow
def test_neither_a_header_nor_a_block_fills_the_memory(tmp_path: Path) -> None:
    with bz2.open(tmp_path / "h.tar.bz2", "wb") as file:
        row = tarfile.TarInfo("pax")
        row.type, row.size = tarfile.XHDTYPE, 400 << 20
        file.write(row.tobuf())
        for _ in range(100):
            file.write(bytes(4 << 20))
    with zipfile.ZipFile(tmp_path / "b.zip", "w", zipfile.ZIP_BZIP2) as bundle, bundle.open("x.png", "w") as member:
        for _ in range(100):
            member.write(bytes(4 << 20))
    tracemalloc.start()
    with pytest.raises(InputError, match="damaged tar"):
        opened(tmp_path / "h.tar.bz2")
    assert "method that is not read" in reasons(opened(tmp_path / "b.zip"))["x.png"]
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak_bytes < 32 << 20


def test_sparse_members_are_not_unpacked(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "s.tar", "w", format=tarfile.PAX_FORMAT) as bundle:
        row = tarfile.TarInfo("x.png")
        row.pax_headers = {"GNU.sparse.size": str(1 << 50), "GNU.sparse.map": "0,0"}
        bundle.addfile(row)
        add(bundle, "y.png", b"y")
    folder = opened(tmp_path / "s.tar")
    assert contents(folder) == {"y.png": b"y"}
    assert reasons(folder) == {"x.png": "not a regular file"}


def test_a_tar_that_was_cut_short_is_read_up_to_there(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "s.tar", {"1.png": NOISE, "2.png": NOISE[::-1], "3.png": NOISE[1:]})
    whole = archive.read_bytes()
    archive.write_bytes(whole[:6000])
    folder = opened(archive)
    assert contents(folder) == {"1.png": NOISE}
    assert reasons(folder) == {
        "2.png": "cut short: the archive is damaged here",
        "s.tar": "damaged; what comes after that place in it could not be read",
    }
    assert len(list((tmp_path / "s.tar-scratch").rglob("*.png"))) == 1
    (tmp_path / "s.tar.gz").write_bytes(gzip.compress(whole)[:-1500])
    folder = opened(tmp_path / "s.tar.gz")
    assert contents(folder)["1.png"] == NOISE
    assert list(reasons(folder))[-1] == "s.tar.gz"


def test_a_damaged_header_is_told(tmp_path: Path) -> None:
    archive = make_tar(tmp_path / "s.tar", {"1.png": NOISE, "2.png": NOISE})
    data = bytearray(archive.read_bytes())
    data[512 + 3072 + 10 : 512 + 3072 + 20] = b"??????????"
    archive.write_bytes(data)
    folder = opened(archive)
    assert contents(folder) == {"1.png": NOISE}
    assert list(reasons(folder)) == ["s.tar"]


def test_a_damaged_member_of_a_zip_is_told_and_the_others_read(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", {"1.png": NOISE, "2.png": b"2", "3.png": b"3" * 500}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[1000] ^= 0xFF
    archive.write_bytes(data)
    folder = opened(archive)
    assert contents(folder) == {"2.png": b"2", "3.png": b"3" * 500}
    assert reasons(folder) == {"1.png": "damaged in the archive"}
    assert len(list((tmp_path / "s.zip-scratch").rglob("*.png"))) == 2


def test_encrypted_members_are_told(tmp_path: Path) -> None:
    archive = make_zip(tmp_path / "s.zip", {"1.png": NOISE, "2.png": b"2"})
    data = bytearray(archive.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    data[second + 8] |= 1
    archive.write_bytes(data)
    assert reasons(opened(archive)) == {"2.png": "encrypted; unpack the archive first"}
    data[data.index(b"PK\x01\x02") + 8] |= 1
    archive.write_bytes(data)
    with pytest.raises(InputError, match="is encrypted"):
        opened(archive)
    (tmp_path / "scrape").mkdir()
    archive.rename(tmp_path / "scrape/s.zip")
    assert reasons(opened(tmp_path / "scrape")) == {"s.zip": "is encrypted; unpack it first, with its password"}


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("s.zip", b"", "is empty"),
        ("s.zip", b"no zip", "damaged"),
        ("s.zip", b"PK\x03\x04" + NOISE, "damaged zip"),
        ("s.tar", NOISE, "damaged tar"),
        ("s.tar.gz", b"\x1f\x8b" + NOISE, "damaged tar"),
        ("s.cbz", b"Rar!\x1a\x07\x01\x00", "RAR archives are not read"),
        ("s.7z", b"7z\xbc\xaf\x27\x1c", "7-Zip archives are not read"),
        ("s.rar", NOISE, "damaged"),
        ("s.tar.zst", b"\x28\xb5\x2f\xfd" + NOISE, "Zstandard" if sys.version_info < (3, 14) else "damaged tar"),
    ],
)
def test_what_cannot_be_opened_is_refused_alone_and_told_in_a_folder(
    tmp_path: Path, name: str, data: bytes, words: str
) -> None:
    root = tmp_path / "scrape"
    root.mkdir()
    (root / name).write_bytes(data)
    (root / "x.png").write_bytes(b"")
    with pytest.raises(InputError, match=words) as caught:
        opened(root / name)
    assert caught.value.hint
    folder = opened(root)
    assert list(folder.files) == ["x.png"]
    assert words in reasons(folder)[name]
    assert str(tmp_path) not in reasons(folder)[name]


def _seed(kind: str) -> bytes:
    with tempfile.TemporaryDirectory() as name:
        files = {"a/x.png": NOISE[:700], "a/x.json": b"{}", "../e.png": b"e", "y.txt": b"1girl" * 40}
        path = Path(name) / f"s.{kind}"
        if kind == "zip":
            return make_zip(path, files).read_bytes()
        return make_tar(path, files, "w" if kind == "tar" else f"w:{kind.partition('.')[2]}").read_bytes()


KINDS = ("zip", "tar", "tar.gz", "tar.bz2", "tar.xz")
SEEDS = {kind: _seed(kind) for kind in KINDS}


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(KINDS))
def test_mutated_archives_are_read_or_refused(data: st.DataObject, kind: str) -> None:
    content = bytearray(SEEDS[kind])
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(content) - 1))
        with_bytes = data.draw(st.binary(min_size=1, max_size=4))
        content[at : at + len(with_bytes)] = with_bytes
    _check(bytes(content[: data.draw(st.integers(len(content) // 2, len(content)))]), kind)


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=2000), st.sampled_from(KINDS))
def test_noise_is_refused(content: bytes, kind: str) -> None:
    _check(content, kind)
    _check(SEEDS[kind][:64] + content, kind)


def _check(content: bytes, kind: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name) / "root"
        root.mkdir()
        (root / f"s.{kind}").write_bytes(content)
        scratch = root / "deep/scratch"
        try:
            folder = open_folder(root / f"s.{kind}", scratch=scratch)
        except InputError:
            folder = None
        assert [path.name for path in Path(name).iterdir()] == ["root"]
        assert {path.name for path in root.iterdir()} <= {f"s.{kind}", "deep"}
        assert [path.name for path in (root / "deep").iterdir()] == ["scratch"]
        for path, file in folder.files.items() if folder else ():
            assert file.is_relative_to(scratch)
            assert ".." not in path.split("/")
            assert file.is_file()
            assert not file.is_symlink()
