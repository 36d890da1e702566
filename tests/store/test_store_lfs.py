"""The git-lfs store: golden pointers, content taken in once and completely, or not at all."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datakit.errors import InputError, RepositoryError
from datakit.store.lfs import LfsStore, parse_pointer, pointer

SHA = "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393"
GOLDEN = f"version https://git-lfs.github.com/spec/v1\noid sha256:{SHA}\nsize 12345\n".encode()
EMPTY = hashlib.sha256(b"").hexdigest()
BUFFER = 16 << 20


@pytest.fixture
def store(tmp_path: Path) -> LfsStore:
    return LfsStore(tmp_path / "git")


def left_over(store: LfsStore) -> list[Path]:
    return list((store.folder.parent / "tmp").glob("*"))


def test_the_pointer_of_the_specification() -> None:
    assert pointer(SHA, 12345) == GOLDEN
    assert parse_pointer(GOLDEN) == (SHA, 12345)


def test_an_empty_file_is_its_own_pointer() -> None:
    assert pointer(EMPTY, 0) == b""
    assert parse_pointer(b"") == (EMPTY, 0)


@given(data=st.binary(min_size=1, max_size=300))
def test_a_pointer_is_read_back(data: bytes) -> None:
    sha = hashlib.sha256(data).hexdigest()
    assert parse_pointer(pointer(sha, len(data))) == (sha, len(data))


@pytest.mark.parametrize(
    "data",
    [
        GOLDEN[:-1],
        GOLDEN + b"\n",
        b" " + GOLDEN,
        GOLDEN.replace(b"sha256", b"sha512"),
        GOLDEN.upper(),
        GOLDEN.replace(b"\n", b"\r\n"),
        GOLDEN.replace(b"12345", b"-1"),
        b"\x89PNG\r\n",
        GOLDEN + b"x" * 1024,
    ],
)
def test_what_is_no_pointer(data: bytes) -> None:
    assert parse_pointer(data) is None


def test_extensions_and_the_old_name_of_the_format_are_read() -> None:
    assert parse_pointer(GOLDEN.replace(b"oid", b"ext-0-foo sha256:" + SHA.encode() + b"\noid")) == (SHA, 12345)
    assert parse_pointer(GOLDEN.replace(b"git-lfs.github.com", b"hawser.github.com")) == (SHA, 12345)


@pytest.mark.parametrize("size", [0, 1, 4096, BUFFER - 1, BUFFER, BUFFER + 1])
def test_content_is_taken_in_whole(store: LfsStore, tmp_path: Path, size: int) -> None:
    data = os.urandom(min(size, 1 << 20)) * (size // (1 << 20) + 1)
    source = tmp_path / "image.png"
    source.write_bytes(data[:size])
    ref = store.ingest(source, "png")
    assert (ref.sha256, ref.size_bytes, ref.extension) == (hashlib.sha256(data[:size]).hexdigest(), size, "png")
    assert store.has(ref)
    assert store.read(ref.sha256) == data[:size]
    stored = store.path(ref.sha256)
    assert stored == store.folder / ref.sha256[:2] / ref.sha256[2:4] / ref.sha256
    assert stored.stat().st_mode & 0o777 == 0o444
    assert stored.stat().st_ino != source.stat().st_ino
    assert not left_over(store)


def test_taking_in_twice_is_taking_in_once(store: LfsStore, tmp_path: Path) -> None:
    source = tmp_path / "image.png"
    source.write_bytes(b"content")
    first = store.ingest(source, "png")
    inode = store.path(first.sha256).stat().st_ino
    assert store.ingest(source, "png") == store.ingest_bytes(b"content", "png") == first
    assert store.path(first.sha256).stat().st_ino == inode


def test_stored_times_are_the_source_s_and_never_of_this_second(store: LfsStore, tmp_path: Path) -> None:
    old, new = tmp_path / "old.png", tmp_path / "new.png"
    old.write_bytes(b"old")
    new.write_bytes(b"new")
    os.utime(old, ns=(10**18, 10**18))
    assert store.path(store.ingest(old, "png").sha256).stat().st_mtime_ns == 10**18
    assert store.path(store.ingest(new, "png").sha256).stat().st_mtime_ns <= time.time_ns() - 2 * 10**9
    assert store.path(store.ingest_bytes(b"made", "png").sha256).stat().st_mtime_ns <= time.time_ns() - 2 * 10**9


def test_an_object_cut_short_is_not_taken_for_complete(store: LfsStore) -> None:
    ref = store.ingest_bytes(b"content", "png")
    path = store.path(ref.sha256)
    path.chmod(0o644)
    path.write_bytes(b"cont")
    assert not store.has(ref)
    store.ingest_bytes(b"content", "png")
    assert store.has(ref)
    assert store.read(ref.sha256) == b"content"


def test_unreadable_sources_are_named(store: LfsStore, tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "loop.png").symlink_to("loop.png")
    for name in ("folder.png", "loop.png", "missing.png"):
        with pytest.raises(InputError, match=name):
            store.ingest(tmp_path / name, "png")
    assert not store.folder.exists() or not list(store.folder.rglob("*"))


def test_a_source_that_changes_meanwhile_is_refused_and_nothing_wrong_is_stored(
    store: LfsStore, tmp_path: Path
) -> None:
    source = tmp_path / "image.png"
    chunk = b"x" * (1 << 20)
    source.write_bytes(chunk * 40)
    done = threading.Event()

    def scribble() -> None:
        with source.open("r+b") as file:
            while not done.is_set():
                file.seek(39 << 20)
                file.write(os.urandom(1 << 16))
                file.flush()
                time.sleep(0.001)

    writer = threading.Thread(target=scribble)
    writer.start()
    try:
        with pytest.raises(InputError, match=r"image\.png: changed"):
            store.ingest(source, "png")
    finally:
        done.set()
        writer.join()
    for path in store.folder.rglob("*"):
        assert not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() == path.name
    assert not left_over(store)


def test_a_store_that_cannot_be_written_says_so(store: LfsStore) -> None:
    store.folder.parent.mkdir(parents=True)
    (store.folder.parent / "tmp").write_bytes(b"in the way")
    with pytest.raises(OSError, match="tmp"):
        store.ingest_bytes(b"content", "png")


def test_an_object_that_this_clone_lacks_is_an_error_with_a_cure(store: LfsStore) -> None:
    with pytest.raises(RepositoryError, match=SHA[:12]) as caught:
        store.read(SHA)
    assert "dsk pull" in caught.value.hint
    assert store.read(EMPTY) == b"", "git-lfs stores no empty object"


def test_what_a_killed_process_left_goes(store: LfsStore) -> None:
    folder = store.folder.parent / "tmp"
    folder.mkdir(parents=True)
    for name in (f"dsk-{os.getpid()}-0", "dsk-1-1", "of-git-lfs"):
        (folder / name).write_bytes(b"half")
    ref = store.ingest_bytes(b"content", "png")
    assert store.read(ref.sha256) == b"content", "a leftover with our process id is no obstacle"
    store.tidy()
    assert {path.name for path in left_over(store)} == {"dsk-1-1", "of-git-lfs"}, "it may be at work still"
    store.tidy(untouched_s=0)
    assert {path.name for path in left_over(store)} == {"of-git-lfs"}
