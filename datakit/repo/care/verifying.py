"""Whether every byte of a dataset is what it was when dsk wrote it: looking only (see healing.py for repairs).

What differs from HEAD with another stat was edited by hand, and the next operation takes it; what differs with the
very stat that git's index remembers was changed behind the file system's back: a damaged disk or memory.
"""

from __future__ import annotations

import hashlib
import os
import stat as stat_module
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from datakit.errors import InputError, RepositoryError
from datakit.model.item import LOCK_NAME, ImageRef, split_path
from datakit.model.lock import decode_lock
from datakit.model.order import COMPUTED, RAW
from datakit.model.progress import Progress
from datakit.model.record import decode_record
from datakit.repo.care.copies import supply_from_copies
from datakit.repo.care.damage import FROM_CLONE, BadFile, Damage, Look
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_managed, is_stored_as_pointer
from datakit.repo.worktree.indexed import is_indexed
from datakit.repo.worktree.scan import blob_id
from datakit.store.fsck import Reached, Root, Walk, bad_packs, unreached_loose
from datakit.store.index import Index, checksum_holds, read_index
from datakit.store.lfs import parse_pointer, pointer
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry
from datakit.store.parallel import spread
from datakit.store.streams import read_content


def look(dataset: Dataset, stages: Sequence[str], progress: Progress) -> Look:
    """Read everything (or what `stages` consist of) and compare it with what it should be; changes nothing."""
    common = dataset.objects_folder.parent
    walk = Walk(dataset.objects_folder, _shallow(common))
    index, problem = _index(dataset)
    tree = _head_tree(dataset)
    found = Look(walk=walk, head={}, index=index, index_problem=problem)
    found.head = _head_files(dataset, found, tree, stages)
    _read_git(dataset, found, tree, stages, progress)
    _check_locks(dataset, found, stages)
    _read_store(dataset, found, stages, progress)
    _note_missing(dataset, found, stages)
    _read_work_tree(dataset, found, progress)
    if walk.bad:
        _supply_trees(found)
        supply_from_copies(dataset, found)
    if not stages:
        found.loose = list(unreached_loose(dataset.objects_folder, walk))
        found.packs = list(bad_packs(dataset.objects_folder, lambda done, all_: progress("packs", done, all_)))
    return found


def _shallow(common: Path) -> list[bytes]:
    try:
        return [bytes.fromhex(line) for line in (common / "shallow").read_text("ascii").split()]
    except FileNotFoundError:
        return []


def _index(dataset: Dataset) -> tuple[Index, str]:
    try:
        index = read_index(dataset.index_path)
    except RepositoryError as error:
        return Index({}, 0), error.message.removeprefix(f"{dataset.index_path}: ")
    if not checksum_holds(dataset.index_path):
        return Index({}, 0), "its checksum does not hold"
    return index, ""


def _head_tree(dataset: Dataset) -> bytes | None:
    try:
        return dataset.head_tree
    except RepositoryError:
        return None  # the walk meets that commit and reports it


def _head_files(dataset: Dataset, found: Look, tree: bytes | None, stages: Sequence[str]) -> dict[str, bytes]:
    lines = found.index.lines if tree is not None and is_indexed(dataset, tree) else {}

    def below(oid: bytes, prefix: str) -> Iterator[tuple[str, bytes]]:
        try:
            entries = dataset.objects.tree(oid)
        except (RepositoryError, ValueError):
            yield from ((path, line.oid) for path, line in lines.items() if path.startswith(prefix) and line.is_file)
            return
        for name, entry in entries.items():
            if stages and not prefix and name not in stages:
                continue
            if entry.mode == TREE_MODE:
                yield from below(entry.oid, f"{prefix}{name}/")
            elif entry.mode == FILE_MODE:
                yield f"{prefix}{name}", entry.oid

    return dict(below(tree, "")) if tree else {}


def _read_git(dataset: Dataset, found: Look, tree: bytes | None, stages: Sequence[str], progress: Progress) -> None:
    def tell(done: int, known: int) -> None:
        progress("git objects", done, known)

    roots = [Root(tree, "", "tree")] if tree else []
    if stages and tree:
        lines = dataset.objects.tree(tree)
        roots = [Root(lines[stage].oid, stage, "tree") for stage in stages if stage in lines]
    for reached in found.walk.run(roots, tell):
        _note_pointer(found, reached)
        if reached.kind == "blob":
            found.in_head.add(reached.oid)
            _check_record(found, reached)
    if not stages:
        for reached in found.walk.run(_references(dataset), tell):
            _note_pointer(found, reached)


def _references(dataset: Dataset) -> Iterator[Root]:
    for name in ("HEAD", *dataset.repo.references):
        target = dataset.repo.lookup_reference(name).target
        if not isinstance(target, str):
            kind = "" if name.startswith("refs/tags/") else "commit"
            yield Root(bytes.fromhex(str(target)), name, kind)


def _note_pointer(found: Look, reached: Reached) -> None:
    if reached.kind == "blob" and reached.data.startswith(b"version https://"):
        pointed = parse_pointer(reached.data)
        if pointed:
            found.pointers[reached.oid] = pointed


def _check_record(found: Look, reached: Reached) -> None:
    path = reached.where
    if not path.startswith(f"{RAW}/") or split_path(path)[1] != "json":
        return
    try:
        decode_record(reached.data, path=path)
    except InputError as error:
        if not _is_foreign(reached.data):
            cure = f"dsk log shows the operation that changed it; git show COMMIT:{path} has it as it was"
            found.other.append(Damage(kind="record", path=path, what=error.message.partition(": ")[2], cure=cure))


def _is_foreign(data: bytes) -> bool:
    """Whether this is metadata of somebody else's making, which is no record at all."""
    try:
        decoded: Any = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return not isinstance(decoded, dict) or "sha256" not in decoded


def _check_locks(dataset: Dataset, found: Look, stages: Sequence[str]) -> None:
    for stage in stages or COMPUTED:
        path = f"{stage}/{LOCK_NAME}"
        blob = found.head.get(path)
        if blob is None or blob in found.walk.bad or stage not in COMPUTED:
            continue
        try:
            lock = decode_lock(dataset.objects.read(blob), path=path)
            auto = bytes.fromhex(lock.auto)
        except InputError as error:
            found.other.append(Damage(kind="lock", path=path, what=error.message.partition(": ")[2], cure=error.hint))
            continue
        except ValueError:
            auto = b"\0"
        if auto and not found.walk.is_whole(auto):
            what = "names a tree that is missing or damaged, the base of the stage's next merge"
            fetch = "git fetch --unshallow" if _shallow(dataset.objects_folder.parent) else FROM_CLONE
            cure = f"{fetch}; without it, captions edited by hand may become conflicts"
            found.other.append(Damage(kind="lock", path=path, what=what, cure=cure))


def _read_store(dataset: Dataset, found: Look, stages: Sequence[str], progress: Progress) -> None:
    names = dataset.lfs.names()
    if stages:
        wanted = {found.pointers[blob][0] for blob in found.head.values() if blob in found.pointers}
        names = [name for name in names if name in wanted]

    def work(name: str) -> tuple[str, int, str]:
        try:
            with open(dataset.lfs.path(name), "rb", buffering=0) as file:  # noqa: PTH123
                content = read_content(file)
        except OSError as error:
            return name, 0, error.strerror or str(error)
        return name, content.size_bytes, "" if content.sha256 == name else "its content has another sha256"

    for number, (name, size, problem) in enumerate(spread(work, names), 1):
        if problem:
            found.images[name] = problem
        elif found.walk.bad:
            _supply_pointer(found, name, size)
        found.num_bytes += size
        progress("store", number, len(names))
    found.num_images = len(names)


def _supply_pointer(found: Look, sha256: str, size_bytes: int) -> None:
    text = pointer(sha256, size_bytes)
    blob = blob_id(text)
    if blob in found.walk.bad:
        found.supplies[blob] = "blob", text
        found.pointers[blob] = sha256, size_bytes


def _note_missing(dataset: Dataset, found: Look, stages: Sequence[str]) -> None:
    shas: set[str] = set()
    for path, blob in found.head.items():
        pointed = found.pointers.get(blob)
        if pointed is None or not is_stored_as_pointer(path):
            continue
        shas.add(pointed[0])
        if pointed[0] in found.images or pointed[0] in found.missing:
            continue
        ref = ImageRef(*pointed, split_path(path)[1])
        if not dataset.lfs.has(ref):
            found.missing[pointed[0]] = ref
    if not stages:
        before = {sha: size for sha, size in found.pointers.values() if sha not in shas and sha not in found.images}
        found.missing_before = sum(not dataset.lfs.has(ImageRef(sha, size, "")) for sha, size in before.items())


class _Content(NamedTuple):
    """What was read of a work-tree file."""

    blob: bytes
    """Id of the git blob that would hold it, or its pointer."""
    size_bytes: int
    image: tuple[str, int] | None
    """(sha256, size), where git holds a pointer."""
    text: bytes | None
    """What git would hold, where git's own is damaged."""


def _read_file(name: str, *, is_pointer: bool, wanted: Mapping[bytes, Any]) -> _Content:
    with open(name, "rb", buffering=0) as file:  # noqa: PTH123
        if not is_pointer:
            data = file.read()
            blob = blob_id(data)
            return _Content(blob, len(data), None, data if blob in wanted else None)
        content = read_content(file)
    if content.whole is not None and content.size_bytes <= 1024 and parse_pointer(text := bytes(content.whole)):
        blob = blob_id(text)
        return _Content(blob, content.size_bytes, None, text if blob in wanted else None)
    text = pointer(content.sha256, content.size_bytes)
    blob = blob_id(text)
    image = content.sha256, content.size_bytes
    return _Content(blob, content.size_bytes, image, text if blob in wanted else None)


Names = list[tuple[str, os.stat_result]]
"""Work-tree paths of one inode, with the stat of each."""


def _read_work_tree(dataset: Dataset, found: Look, progress: Progress) -> None:
    groups = _inodes(dataset, found)
    bad = found.walk.bad

    def work(group: tuple[bool, Names]) -> tuple[Names, _Content | None, str]:
        is_pointer, names = group
        target = f"{dataset.root}/{names[0][0]}"
        try:
            content = _read_file(target, is_pointer=is_pointer, wanted=bad)
            after = os.lstat(target)
        except FileNotFoundError:
            return names, None, ""
        except OSError as error:
            return names, None, error.strerror or str(error)
        before = names[0][1]
        if (after.st_mtime_ns, after.st_size, after.st_ino) != (before.st_mtime_ns, before.st_size, before.st_ino):
            return names, None, ""  # somebody saves it just now
        return names, content, ""

    for number, (names, content, problem) in enumerate(spread(work, groups), 1):
        _judge(dataset, found, names, content, problem)
        progress("files", number, len(groups))


def _inodes(dataset: Dataset, found: Look) -> list[tuple[bool, Names]]:
    """Files of HEAD that stand in the work tree: (whether git holds a pointer, the names of one inode)."""
    groups: dict[tuple[int, int, bool], Names] = {}
    for path, blob in found.head.items():
        if not is_managed(path):
            continue
        try:
            stat = os.lstat(f"{dataset.root}/{path}")
        except (FileNotFoundError, NotADirectoryError):
            found.num_hand_edits += 1
            continue
        if not stat_module.S_ISREG(stat.st_mode):
            found.num_hand_edits += 1
            continue
        # An image that plain git committed itself is compared as it is.
        is_raw = blob in found.in_head and blob not in found.pointers and stat.st_size > 0
        key = (stat.st_dev, stat.st_ino, is_stored_as_pointer(path) and not is_raw)
        groups.setdefault(key, []).append((path, stat))
        found.num_files += 1
    return [(key[2], names) for key, names in groups.items()]


def _judge(dataset: Dataset, found: Look, names: Names, content: _Content | None, problem: str) -> None:
    if content is not None:
        found.num_bytes += content.size_bytes
        if content.text is not None:
            found.supplies[content.blob] = "blob", content.text
            if content.image:
                found.pointers[content.blob] = content.image
        if content.image and (content.image[0] in found.images or content.image[0] in found.missing):
            found.copies[content.image[0]] = dataset.root / names[0][0]
    for path, stat in names:
        blob = found.head[path]
        is_same = content is not None and (
            content.blob == blob or (content.image is not None and found.pointers.get(blob) == content.image)
        )
        if is_same:
            continue
        line = found.index.is_current(path, stat)
        if line is not None and line.oid == blob and (content is not None or problem):
            what = problem or "its content changed, but not its time and size"
            found.files[path] = BadFile(stat, blob, what)
        else:
            found.num_hand_edits += 1


def _supply_trees(found: Look) -> None:
    """Trees that can be made anew from git's index."""
    top: _Folder = {}
    for path, line in found.index.lines.items():
        *folders, name = path.split("/")
        here = top
        for folder in folders:
            below = here.setdefault(folder, {})
            if not isinstance(below, dict):
                return  # an index that git would refuse
            here = below
        here[name] = Entry(b"%o" % int.from_bytes(line.raw[24:28], "big"), line.oid)
    _supply_tree(found, top)


_Folder = dict[str, "Entry | _Folder"]


def _supply_tree(found: Look, folder: _Folder) -> bytes:
    rows: list[tuple[bytes, Entry]] = []
    for name, value in folder.items():
        entry = Entry(TREE_MODE, _supply_tree(found, value)) if isinstance(value, dict) else value
        rows.append((os.fsencode(name), entry))
    rows.sort(key=lambda row: row[0] + b"/" if row[1].mode == TREE_MODE else row[0])
    data = b"".join(b"%s %s\0%s" % (entry.mode, name, entry.oid) for name, entry in rows)
    oid = hashlib.sha1(b"tree %d\0" % len(data) + data).digest()
    if oid in found.walk.bad:
        found.supplies[oid] = "tree", data
    return oid
