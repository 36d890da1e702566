"""Reading every git object to see whether it is whole, and writing anew those that are not.

libgit2 compares each object that it reads with its id; packs are compared with their own checksums besides, since
damage may lie in objects that nothing refers to.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pygit2

from datakit.store.packs import write_pack

_KINDS = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}
_NUMBERS = {kind: pygit2.enums.ObjectType(number) for number, kind in _KINDS.items()}
_TREE_MODE = b"40000"
_SUBMODULE_MODE = b"160000"
_CHUNK_BYTES = 1 << 20
_BATCH_BYTES = 64 << 20
_IDX_NAMES_AT = 8 + 4 * 256


class Root(NamedTuple):
    """Where a walk begins."""

    oid: bytes
    where: str
    """What refers to it, for people."""
    kind: str = "commit"


class Reached(NamedTuple):
    """One whole object."""

    oid: bytes
    kind: str
    data: bytes
    where: str


class Walk:
    """All objects that some roots lead to, each read once. Memory: one id for each object."""

    def __init__(self, folder: Path, shallow: Iterable[bytes] = ()) -> None:
        self._odb = pygit2.Odb(str(folder))  # of its own: an object that is remembered would not be read
        self._shallow = frozenset(shallow)
        self.seen: set[bytes] = set()
        self.bad: dict[bytes, Root] = {}
        """Objects that are missing or damaged."""
        self.num_bytes = 0

    def run(self, roots: Iterable[Root], progress: Callable[[int, int], None]) -> Iterator[Reached]:
        """Every whole object; `progress` gets (read so far, known so far)."""
        waiting = list(roots)
        while waiting:
            root = waiting.pop()
            if root.oid in self.seen:
                continue
            self.seen.add(root.oid)
            found = self._read(root)
            if found is None:
                self.bad[root.oid] = root
                continue
            self.num_bytes += len(found.data)
            yield found
            waiting += self._below(found)
            progress(len(self.seen), len(self.seen) + len(waiting))

    def is_whole(self, oid: bytes) -> bool:
        """Whether an object is there and whole."""
        return (oid in self.seen and oid not in self.bad) or self._whole(oid) is not None

    def _whole(self, oid: bytes) -> tuple[str, bytes] | None:
        try:
            number, data = self._odb.read(pygit2.Oid(raw=oid))
        except (KeyError, ValueError, pygit2.GitError):
            return None
        return _KINDS.get(int(number), ""), data

    def _read(self, root: Root) -> Reached | None:
        found = self._whole(root.oid)
        if found is None or (root.kind and found[0] != root.kind):
            return None
        return Reached(root.oid, found[0], found[1], root.where)

    def _below(self, found: Reached) -> list[Root]:
        if found.kind == "tree":
            return list(_lines(found.data, found.where))
        if found.kind == "commit":
            return list(self._of_commit(found))
        if found.kind == "tag":
            head = found.data.split(b"\n", 2)
            return [Root(bytes.fromhex(head[0][7:47].decode()), found.where, head[1][5:].decode("ascii", "replace"))]
        return []

    def _of_commit(self, found: Reached) -> Iterator[Root]:
        for line in found.data.split(b"\n"):
            if line.startswith(b"tree "):
                yield Root(bytes.fromhex(line[5:45].decode()), "", "tree")
            elif line.startswith(b"parent "):
                if found.oid not in self._shallow:
                    yield Root(bytes.fromhex(line[7:47].decode()), f"parent of {found.oid.hex()[:10]}")
            else:
                return


def _lines(data: bytes, where: str) -> Iterator[Root]:
    at = 0
    prefix = f"{where}/" if where else ""
    while at < len(data):
        space = data.index(b" ", at)
        end = data.index(b"\0", space)
        mode = data[at:space]
        if mode != _SUBMODULE_MODE:
            name = data[space + 1 : end].decode("utf-8", "surrogateescape")
            yield Root(data[end + 1 : end + 21], prefix + name, "tree" if mode == _TREE_MODE else "blob")
        at = end + 21


def unreached_loose(folder: Path, walk: Walk) -> Iterator[bytes]:
    """Loose objects that nothing refers to and that are damaged."""
    for path in sorted(folder.glob("[0-9a-f][0-9a-f]/*")):
        name = path.parent.name + path.name
        try:
            oid = bytes.fromhex(name)
        except ValueError:
            continue
        if len(oid) == 20 and oid not in walk.seen and not walk.is_whole(oid):
            yield oid


class BadPack(NamedTuple):
    """A pack whose bytes are not what its checksums say."""

    path: Path
    """Of the `.pack` file."""
    what: str
    is_listed: bool
    """Whether its index is whole, so that its objects can be named."""
    checksum: bytes = b""
    """What it must end with, where that alone is damaged, and git therefore reads nothing of it."""


def bad_packs(folder: Path, progress: Callable[[int, int], None]) -> Iterator[BadPack]:
    """Packs with an index whose checksums do not hold. A pack without one is what a killed process left."""
    packs = [path for path in sorted((folder / "pack").glob("*.pack")) if path.with_suffix(".idx").exists()]
    for number, path in enumerate(packs, 1):
        index = path.with_suffix(".idx")
        wanted, found = _checksums(index)
        if wanted != found:
            yield BadPack(path, "its index is damaged", False)
        else:
            wanted, found = _checksums(path)
            if wanted != found:
                noted = index.read_bytes()[-40:-20]
                if noted == wanted:
                    yield BadPack(path, "its closing checksum is damaged", True, wanted)
                else:
                    yield BadPack(path, "damaged", True)
        progress(number, len(packs))


def _checksums(path: Path) -> tuple[bytes, bytes]:
    """The sha1 of all but the end of a file, and the end, which should be that."""
    digest = hashlib.sha1()
    kept = b""
    try:
        with path.open("rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                chunk = kept + chunk
                digest.update(memoryview(chunk)[:-20])
                kept = chunk[-20:]
    except OSError:
        return b"", b"unreadable"
    return digest.digest(), kept


def mend_checksum(pack: BadPack) -> None:
    """Write a pack anew with the end that it must have."""
    temporary = pack.path.with_name(f"tmp_pack_{os.getpid()}")
    try:
        shutil.copyfile(pack.path, temporary)
        with temporary.open("r+b") as file:
            file.seek(-20, os.SEEK_END)
            file.write(pack.checksum)
        temporary.chmod(0o444)
        temporary.replace(pack.path)
    finally:
        temporary.unlink(missing_ok=True)


def pack_of(folder: Path, oid: bytes) -> Path | None:
    """The pack that lists an object."""
    for index in sorted((folder / "pack").glob("*.idx")):
        if oid in _listed(index):
            return index.with_suffix(".pack")
    return None


def _listed(index: Path) -> list[bytes]:
    data = index.read_bytes()
    if data[:8] != b"\xfftOc\0\0\0\2":
        return []
    number = int.from_bytes(data[_IDX_NAMES_AT - 4 : _IDX_NAMES_AT], "big")
    return [data[at : at + 20] for at in range(_IDX_NAMES_AT, _IDX_NAMES_AT + 20 * number, 20)]


def salvage(folder: Path, pack: Path, supplied: Mapping[bytes, tuple[str, bytes]]) -> list[bytes]:
    """Write the whole objects of a pack into new packs, with those that were found elsewhere; returns the others."""
    walk = Walk(folder)
    lost: list[bytes] = []
    rows: list[tuple[bytes, str, bytes]] = []
    size = 0
    for oid in _listed(pack.with_suffix(".idx")):
        found = supplied.get(oid) or walk._whole(oid)
        if found is None:
            lost.append(oid)
            continue
        rows.append((oid, *found))
        size += len(found[1])
        if size > _BATCH_BYTES:
            write_pack(folder / "pack", rows, num_objects=len(rows))
            rows, size = [], 0
    if rows:
        write_pack(folder / "pack", rows, num_objects=len(rows))
    return lost


def pack_files(pack: Path) -> list[Path]:
    """A pack with what stands beside it: index, reverse index, bitmap; and the index over several packs."""
    return [*sorted(pack.parent.glob(f"{pack.stem}.*")), *sorted(pack.parent.glob("multi-pack-index*"))]


def write_objects(folder: Path, supplied: Mapping[bytes, tuple[str, bytes]]) -> None:
    """Write objects loose, where they are not there yet.

    Raises:
        pygit2.GitError: the disk refuses.
    """
    odb = pygit2.Odb(str(folder))
    for kind, data in supplied.values():
        odb.write(_NUMBERS[kind], data)


def loose_path(folder: Path, oid: bytes) -> Path:
    """Where an object lies, or would lie, by itself."""
    name = oid.hex()
    return folder / name[:2] / name[2:]
