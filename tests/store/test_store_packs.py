"""Packs and objects against git itself."""

from __future__ import annotations

import hashlib
import random
from pathlib import Path

import pygit2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.errors import RepositoryError
from datakit.store.objects import Objects
from datakit.store.packs import write_pack

SIZES = [0, 1, 15, 16, 17, 127, 128, 2047, 2048, 4095, 4096, 70_000, 300_000]


def object_id(kind: str, data: bytes) -> bytes:
    return hashlib.sha1(f"{kind} {len(data)}\0".encode() + data).digest()


def blobs(contents: list[bytes]) -> dict[bytes, bytes]:
    return {object_id("blob", data): data for data in contents}


def write_blobs(folder: Path, rows: dict[bytes, bytes]) -> Path:
    return write_pack(folder, ((oid, "blob", data) for oid, data in rows.items()), num_objects=len(rows))


def assert_git_reads(repository: Path, rows: dict[bytes, bytes], git) -> None:
    asked = b"".join(oid.hex().encode() + b"\n" for oid in rows)
    answer = git(repository, "cat-file", "--batch-check", stdin=asked).splitlines()
    assert answer == [f"{oid.hex()} blob {len(data)}" for oid, data in rows.items()]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    pygit2.init_repository(str(tmp_path / "repo"))
    return tmp_path / "repo"


@pytest.mark.parametrize("number", [1, 2, 300, 3000])
def test_git_verifies_a_pack_and_reads_every_object(repository: Path, git, number: int) -> None:
    noise = random.Random(number)
    rows = blobs([noise.randbytes(noise.choice([3, 40, 400])) + str(i).encode() for i in range(number)])
    pack = write_blobs(repository / ".git/objects/pack", rows)
    git(repository, "verify-pack", str(pack.with_suffix(".idx")))
    assert_git_reads(repository, rows, git)
    git(repository, "fsck", "--strict")
    assert {path.suffix for path in pack.parent.iterdir()} == {".pack", ".idx"}
    assert pack.stat().st_mode & 0o777 == 0o444


def test_sizes_at_the_edges_of_the_length_encoding(repository: Path, git) -> None:
    rows = blobs([random.Random(size).randbytes(size) for size in SIZES] + [b"\0" * size for size in SIZES[1:]])
    pack = write_blobs(repository / ".git/objects/pack", rows)
    git(repository, "verify-pack", str(pack.with_suffix(".idx")))
    assert_git_reads(repository, rows, git)
    for oid, data in rows.items():
        assert pygit2.Repository(str(repository)).odb.read(pygit2.Oid(raw=oid))[1] == data


@settings(max_examples=12, deadline=None)
@given(contents=st.lists(st.binary(max_size=200), min_size=1, max_size=40, unique=True))
def test_any_contents_are_read_back(tmp_path_factory: pytest.TempPathFactory, contents: list[bytes]) -> None:
    folder = tmp_path_factory.mktemp("pack")
    repo = pygit2.init_repository(str(folder))
    rows = blobs(contents)
    write_blobs(folder / ".git/objects/pack", rows)
    assert {oid: repo.odb.read(pygit2.Oid(raw=oid))[1] for oid in rows} == rows


def test_a_pack_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    def broken():
        yield object_id("blob", b"a"), "blob", b"a"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        write_pack(tmp_path / "pack", broken(), num_objects=2)
    assert list((tmp_path / "pack").iterdir()) == []


@pytest.mark.parametrize("number", [1, 64, 65, 3000])
def test_flush_writes_few_objects_loose_and_many_as_one_pack(repository: Path, git, number: int) -> None:
    repo = pygit2.Repository(str(repository))
    objects = Objects(repo.odb, repository / ".git/objects")
    rows = {objects.blob(str(i).encode()): str(i).encode() for i in range(number)}
    assert all(objects.read(oid) == data for oid, data in rows.items()), "before the flush"
    objects.flush()
    assert len(list((repository / ".git/objects/pack").glob("*.pack"))) == (number > 64)
    assert_git_reads(repository, rows, git)
    objects.flush()
    assert all(objects.read(oid) == data for oid, data in rows.items()), "after it"
    git(repository, "fsck", "--strict")


def test_objects_that_could_not_be_flushed_are_not_taken_for_written(repository: Path) -> None:
    repo = pygit2.Repository(str(repository))
    objects = Objects(repo.odb, repository / ".git/objects")
    pack = repository / ".git/objects/pack"
    pack.rmdir()
    pack.write_bytes(b"in the way")
    ids = [objects.blob(str(i).encode()) for i in range(100)]
    with pytest.raises(OSError):
        objects.flush()
    objects.discard()
    pack.unlink()
    pack.mkdir()
    assert [objects.blob(str(i).encode()) for i in range(100)] == ids
    objects.flush()
    assert objects.read(ids[99]) == b"99"
    assert pygit2.Repository(str(repository)).odb.exists(pygit2.Oid(raw=ids[0]))


def test_a_missing_object_is_named(repository: Path) -> None:
    objects = Objects(pygit2.Repository(str(repository)).odb, repository / ".git/objects")
    with pytest.raises(RepositoryError, match="ab" * 20):
        objects.read(bytes.fromhex("ab" * 20))
