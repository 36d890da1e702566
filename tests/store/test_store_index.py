"""The index: dsk reads what git writes, git reads what dsk writes, and neither reads a file again without need."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datakit.errors import LockedError, RepositoryError
from datakit.repo.worktree.scan import blob_id
from datakit.store.index import Index, line_for, locked_index, read_index, unknown_line, write_index

LONG = "/".join(["d" * 250] * 8) + "/" + "f" * 200
"""Of 2,208 bytes; together with a second half it is over what the name length field of a line can hold."""
LONGEST = "/".join(["d" * 200] * 20) + "/" + "f" * 90
NAMES = ["a.txt", "b/c.txt", "b.txt", "b-c", "ä ö.txt", "x\ny.txt", "\udcff\udcfe.bin"]
OLD_NS = 1_600_000_000_123_456_789


@pytest.fixture
def repository(tmp_path: Path, git) -> Path:
    git(tmp_path, "init", "-q", "repo")
    return tmp_path / "repo"


def add(repository: Path, name: str, data: bytes = b"text\n") -> Path:
    path = repository / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    os.utime(path, ns=(OLD_NS, OLD_NS))
    return path


def index_of(repository: Path) -> Index:
    return read_index(repository / ".git/index")


def write(repository: Path, lines) -> None:
    with locked_index(repository / ".git/index") as new:
        write_index(repository / ".git/index", lines, new)


def staged(repository: Path, git) -> dict[str, str]:
    rows = git(repository, "ls-files", "--stage", "-z").split("\0")[:-1]
    return {row.partition("\t")[2]: row.split()[1] for row in rows}


@pytest.mark.parametrize("version", [2, 3, 4])
def test_what_git_writes_is_read(repository: Path, git, version: int) -> None:
    for name in [*NAMES, LONG]:
        add(repository, name, name.encode("utf-8", "surrogateescape"))
    add(repository, "later.txt")
    git(repository, "add", "-A", "--", *NAMES, LONG)
    if version == 3:
        git(repository, "add", "-N", "later.txt")
    git(repository, "update-index", "--index-version", str(max(version, 2)))
    raw = (repository / ".git/index").read_bytes()
    assert raw[4:8] == version.to_bytes(4, "big")
    index = index_of(repository)
    assert {name: line.oid.hex() for name, line in index.lines.items()} == staged(repository, git)
    for name in NAMES:
        line = index.is_current(name, (repository / name).lstat())
        assert line is not None, name
        assert line.oid == blob_id(name.encode("utf-8", "surrogateescape"))
        assert line.mtime_ns == OLD_NS


def test_git_reads_what_is_written_and_does_not_read_the_files(repository: Path, git) -> None:
    git(repository, "config", "core.filemode", "false")
    lines = {}
    for name in [*NAMES, LONG]:
        path = add(repository, name, b"true")
        git(repository, "hash-object", "-w", str(path))
        lines[name] = line_for(path.lstat(), blob_id(b"true"))
    write(repository, lines)
    assert staged(repository, git) == {name: blob_id(b"true").hex() for name in lines}
    git(repository, "commit", "-qm", "all")
    for name in lines:  # same size and times, other content: only a reader would notice
        path = repository / name
        with path.open("r+b") as file:
            file.write(b"fals")
        os.utime(path, ns=(OLD_NS, OLD_NS))
    git(repository, "config", "core.trustctime", "false")
    assert git(repository, "status", "--porcelain") == ""
    os.utime(repository / "a.txt")
    assert git(repository, "status", "--porcelain") == " M a.txt\n"


def test_a_line_without_stat_makes_git_look(repository: Path, git) -> None:
    path = add(repository, "a.txt")
    git(repository, "add", "a.txt")
    git(repository, "commit", "-qm", "a")
    write(repository, {"a.txt": unknown_line(blob_id(b"text\n"))})
    assert index_of(repository).is_current("a.txt", path.lstat()) is None
    assert git(repository, "status", "--porcelain") == ""
    write(repository, {"a.txt": unknown_line(blob_id(b"text\n"))})
    path.write_bytes(b"other")
    assert git(repository, "status", "--porcelain") == " M a.txt\n"


def test_names_longer_than_the_length_field_survive(repository: Path, git) -> None:
    assert len(LONGEST) > 0xFFF
    oid = git(repository, "hash-object", "-w", "--stdin", stdin=b"x").strip()
    write(repository, {name: unknown_line(bytes.fromhex(oid)) for name in (LONGEST, LONGEST + "x", "a")})
    assert staged(repository, git).keys() == {LONGEST, LONGEST + "x", "a"}
    assert index_of(repository).lines.keys() == {LONGEST, LONGEST + "x", "a"}
    git(repository, "update-index", "--index-version", "4")
    assert index_of(repository).lines.keys() == {LONGEST, LONGEST + "x", "a"}


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    names=st.sets(
        st.text(st.characters(exclude_characters="\0/", exclude_categories=["Cs"]), min_size=1, max_size=9).filter(
            lambda name: name not in {".", ".."} and name.lower() != ".git"
        ),
        max_size=12,
    )
)
def test_any_names_come_back_in_gits_order(tmp_path_factory, git, names: set[str]) -> None:
    folder = tmp_path_factory.mktemp("names")
    git(folder, "init", "-q")
    git(folder, "config", "core.protectNTFS", "false")
    oid = bytes.fromhex(git(folder, "hash-object", "-w", "--stdin", stdin=b"x").strip())
    write(folder, {f"raw/{name}": unknown_line(oid) for name in names})
    found = git(folder, "ls-files", "-z").split("\0")[:-1]
    assert found == sorted((f"raw/{name}" for name in names), key=os.fsencode)
    assert index_of(folder).lines.keys() == set(found)


def test_what_git_notes_about_a_line_is_kept(repository: Path, git) -> None:
    for name in ("plain.txt", "assumed.txt", "later.txt"):
        add(repository, name)
    git(repository, "add", "plain.txt", "assumed.txt")
    git(repository, "add", "-N", "later.txt")
    git(repository, "update-index", "--assume-unchanged", "assumed.txt")
    before = git(repository, "ls-files", "-v", "-t"), git(repository, "status", "--porcelain")
    write(repository, index_of(repository).lines)
    assert (git(repository, "ls-files", "-v", "-t"), git(repository, "status", "--porcelain")) == before
    assert " A later.txt" in before[1]
    assert "h assumed.txt" in before[0]


def test_no_index_is_an_empty_one(repository: Path) -> None:
    assert index_of(repository).lines == {}


def test_a_split_index_is_refused(repository: Path, git) -> None:
    add(repository, "a.txt")
    git(repository, "add", "a.txt")
    git(repository, "update-index", "--split-index")
    with pytest.raises(RepositoryError, match="split") as caught:
        index_of(repository)
    git(repository, *caught.value.hint.partition(";")[0].split()[1:])
    assert index_of(repository).lines.keys() == {"a.txt"}


@pytest.mark.parametrize("sparse_index", [[], ["--sparse-index"]])
def test_a_sparse_checkout_is_refused(repository: Path, git, sparse_index: list[str]) -> None:
    for name in ("a/x.txt", "b/y.txt"):
        add(repository, name)
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "all")
    git(repository, "sparse-checkout", "set", "--cone", *sparse_index, "a")
    assert not (repository / "b").exists()
    with pytest.raises(RepositoryError, match="sparse"):
        index_of(repository)


def test_unresolved_conflicts_are_refused(repository: Path, git) -> None:
    add(repository, "a.txt", b"base\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "base")
    git(repository, "checkout", "-qb", "other")
    add(repository, "a.txt", b"theirs\n")
    git(repository, "commit", "-qam", "theirs")
    git(repository, "checkout", "-q", "-")
    add(repository, "a.txt", b"ours\n")
    git(repository, "commit", "-qam", "ours")
    git(repository, "merge", "other", code=1)
    with pytest.raises(RepositoryError, match="conflict"):
        index_of(repository)


@pytest.mark.parametrize("keep", [3, 40, 90, -30])
def test_a_damaged_index_is_an_error_that_names_it(repository: Path, git, keep: int) -> None:
    for name in NAMES:
        add(repository, name)
    git(repository, "add", "-A")
    path = repository / ".git/index"
    data = path.read_bytes()
    path.write_bytes(data[:keep] if keep > 0 else data[:12] + b"\xff" * 40)
    with pytest.raises(RepositoryError, match="index"):
        read_index(path)


def test_gits_lock_keeps_dsk_out_and_dsks_lock_keeps_git_out(repository: Path, git) -> None:
    add(repository, "a.txt")
    path = repository / ".git/index"
    with locked_index(path):
        git(repository, "add", "a.txt", code=128)
    git(repository, "add", "a.txt")
    lock = repository / ".git/index.lock"
    assert not lock.exists()
    lock.write_bytes(b"")
    with pytest.raises(LockedError, match=r"index\.lock"), locked_index(path):
        pass
    assert lock.exists(), "another's lock is not removed"
    assert {one.name for one in path.parent.glob("index*")} == {"index", "index.lock"}


def test_the_lock_of_a_killed_dsk_is_taken_over(repository: Path, git) -> None:
    add(repository, "a.txt")
    git(repository, "add", "a.txt")
    code = (
        "import os, pathlib; from datakit.store.index import locked_index\n"
        "with locked_index(pathlib.Path('.git/index')) as new:\n    new.write_bytes(b'DIRC half')\n"
        "    os.kill(os.getpid(), 9)"
    )
    subprocess.run([os.sys.executable, "-c", code], cwd=repository, check=False)  # type: ignore[attr-defined]
    assert (repository / ".git/index.lock").exists()
    write(repository, index_of(repository).lines)
    assert staged(repository, git).keys() == {"a.txt"}
    assert {one.name for one in (repository / ".git").glob("index*")} == {"index"}


NAME = st.text(st.sampled_from("ab./-0é"), min_size=1, max_size=6).filter(
    lambda name: all(part not in {"", ".", ".."} for part in name.split("/"))
)


@settings(max_examples=40, deadline=None)
@given(
    start=st.sets(NAME, max_size=30),
    changes=st.lists(st.tuples(NAME, st.integers(0, 255) | st.none()), max_size=30),
    version=st.sampled_from([2, 4]),
)
def test_changing_some_lines_is_as_writing_all_of_them(
    tmp_path_factory, start: set[str], changes: list[tuple[str, int | None]], version: int
) -> None:
    folder = tmp_path_factory.mktemp("lines")
    model = {name: unknown_line(bytes(20)) for name in start}
    path, other = folder / "index", folder / "other"
    write_index(path, model, folder / "new")
    if version == 4:
        path.write_bytes(as_version_4(path.read_bytes()))
    lines = read_index(path).lines
    for name, value in changes:
        assert (name in lines) == (name in model)
        if value is None:
            assert (lines.pop(name, None) is None) == (model.pop(name, None) is None)
        else:
            model[name] = unknown_line(bytes([value]) * 20)
            lines[name] = model[name]
        assert len(lines) == len(model)
    assert {name: line.raw for name, line in lines.items()} == {name: line.raw for name, line in model.items()}
    assert lines.blobs() == {name: line.oid for name, line in model.items()}
    wanted = {bytes([7]) * 20, bytes(20)}
    assert {name for name, _ in lines.with_blobs(wanted)} == {name for name in model if model[name].oid in wanted}
    write_index(path, lines, folder / "new")
    write_index(other, model, folder / "new")
    assert path.read_bytes() == other.read_bytes()


def as_version_4(data: bytes) -> bytes:
    """An index of version 2 with no name sharing a prefix: what git's decoder accepts as version 4."""
    count, at = int.from_bytes(data[8:12], "big"), 12
    parts = [data[:4] + (4).to_bytes(4, "big") + data[8:12]]
    previous = b""
    for _ in range(count):
        end = data.index(b"\0", at + 62)
        name = data[at + 62 : end]
        parts.append(data[at : at + 62] + bytes([len(previous)]) + name + b"\0")
        previous = name
        at += (end - at) // 8 * 8 + 8
    return b"".join([*parts, data[at:]])


def test_many_questions_are_answered_by_a_table(tmp_path: Path) -> None:
    names = [f"raw/{number:05d}.txt" for number in range(9000)]
    write_index(
        tmp_path / "index", {name: unknown_line(name.encode()[-20:].rjust(20)) for name in names}, tmp_path / "n"
    )
    found = read_index(tmp_path / "index").lines
    assert all(found[name].oid == name.encode().rjust(20) for name in names)
    assert all(found[name].oid == name.encode().rjust(20) for name in reversed(names))
    assert "raw/00001.tx" not in found
    assert "zzz" not in found


def test_git_says_which_tree_its_index_equals(repository: Path, git) -> None:
    add(repository, "a/x.txt")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "x")
    assert index_of(repository).tree == bytes.fromhex(git(repository, "rev-parse", "HEAD^{tree}").strip())
    add(repository, "a/y.txt")
    git(repository, "add", "-A")
    assert index_of(repository).tree is None
    git(repository, "commit", "-qm", "y")
    tree = bytes.fromhex(git(repository, "rev-parse", "HEAD^{tree}").strip())
    assert index_of(repository).tree == tree
    write(repository, index_of(repository).lines)
    assert index_of(repository).tree is None, "what dsk writes, dsk notes elsewhere"
