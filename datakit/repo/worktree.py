"""The work tree against HEAD: what changed by hand, and writing a new tree into it."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import stat as stat_module
import time
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

import msgspec

from datakit.errors import InputError, RepositoryError, WriteError
from datakit.repo.dataset import Dataset
from datakit.repo.layout import MANAGED_FILES, MANAGED_FOLDERS, is_managed, is_managed_name, is_stored_as_pointer
from datakit.store.durable import replace_file
from datakit.store.index import Index, IndexLine, line_for, locked_index, read_index, unknown_line, write_index
from datakit.store.lfs import MIN_AGE_NS, parse_pointer, pointer
from datakit.store.objects import Change, diff, files, find
from datakit.store.parallel import spread
from datakit.store.streams import create, replace

_STATE = "index.json"
_CHUNK_BYTES = 1 << 20
_SERIAL = itertools.count()


class Edit(msgspec.Struct, frozen=True):
    """One path whose content differs from HEAD: None where it does not exist."""

    path: str
    old: bytes | None
    new: bytes | None


class Scan(msgspec.Struct, frozen=True):
    """What the work tree holds."""

    index: Index
    edits: list[Edit]
    """Sorted by path."""
    stats: dict[str, os.stat_result]
    """Of every managed file that is there."""
    unmanaged: list[str]
    """Files in stage folders that dsk leaves alone."""
    same: list[str]
    """Files with HEAD's content whose line in the index does not say so."""


def scan(dataset: Dataset) -> Scan:
    """Compare the work tree with HEAD by stat, reading only files whose stat changed.

    Raises:
        InputError: a file that changed cannot be read.
    """
    index = read_index(dataset.index_path)
    head = _head_files(dataset, index)
    stats, unmanaged = list_files(dataset.root)
    edits: list[Edit] = []
    same: list[str] = []
    for path, stat in stats.items():
        old = head.get(path)
        line = index.is_current(path, stat)
        if line is not None and line.oid == old:
            continue
        new = hash_file(dataset.root, path)
        if new != old:
            edits.append(Edit(path, old, new))
        else:
            same.append(path)
    edits += [Edit(path, old, None) for path, old in head.items() if path not in stats and is_managed(path)]
    return Scan(index, sorted(edits, key=lambda edit: edit.path), stats, unmanaged, same)


def _head_files(dataset: Dataset, index: Index) -> Mapping[str, bytes]:
    """HEAD's files; taken from the index where that is known to equal HEAD, which saves reading every tree."""
    tree = dataset.head_tree
    if tree is None:
        return {}
    if _read_state(dataset) == _state(dataset, tree):
        return {path: line.oid for path, line in index.lines.items() if line.is_file}
    return dict(files(dataset.objects, tree))


def _state(dataset: Dataset, tree: bytes) -> dict[str, Any] | None:
    try:
        stat = dataset.index_path.stat()
    except FileNotFoundError:
        return None
    return {"tree": tree.hex(), "mtime_ns": stat.st_mtime_ns, "size": stat.st_size, "inode": stat.st_ino}


def _read_state(dataset: Dataset) -> dict[str, Any] | None:
    try:
        return msgspec.json.decode((dataset.private / _STATE).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return None


def list_files(root: Path) -> tuple[dict[str, os.stat_result], list[str]]:
    """Managed files with their stat, and the other files in managed folders."""
    stats: dict[str, os.stat_result] = {}
    unmanaged: list[str] = []
    for name in MANAGED_FILES:
        try:
            stat = (root / name).lstat()
        except FileNotFoundError:
            continue
        if stat_module.S_ISREG(stat.st_mode):
            stats[name] = stat
    for folder in MANAGED_FOLDERS:
        path = os.path.join(root, folder)  # noqa: PTH118
        if os.path.islink(path):  # noqa: PTH114
            raise RepositoryError(
                f"{path}: is a symbolic link, and git does not look behind one", hint="put the folder itself there"
            )
        _list_folder(path, f"{folder}/", stats, unmanaged)
    return stats, unmanaged


def _list_folder(folder: str, prefix: str, stats: dict[str, os.stat_result], unmanaged: list[str]) -> None:
    try:
        entries = os.scandir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror}", hint="check the folder's permissions") from error
    with entries:
        for entry in entries:
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                if not entry.name.startswith("."):
                    _list_folder(entry.path, path + "/", stats, unmanaged)
            elif is_managed_name(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):  # removed since it was listed
                    stats[path] = entry.stat(follow_symlinks=False)
            elif not entry.name.startswith("."):
                unmanaged.append(os.fsencode(path).decode("utf-8", "backslashreplace"))


def hash_file(root: Path, path: str) -> bytes:
    """Id of the blob that would hold this work-tree file: its content, or its pointer.

    A file that already is pointer text (a clone without images) stands for itself.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        with (root / path).open("rb") as file:
            if not is_stored_as_pointer(path):
                return blob_id(file.read())
            head = file.read(_CHUNK_BYTES)
            if parse_pointer(head[:1025]):
                return blob_id(head)
            digest, size = hashlib.sha256(head), len(head)
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
                size += len(chunk)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}", hint="check the file's permissions") from error
    return blob_id(pointer(digest.hexdigest(), size))


def blob_id(data: bytes) -> bytes:
    """Git's id of a blob."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).digest()


def checkout(dataset: Dataset, old: bytes | None, new: bytes | None, index_file: Path) -> list[str]:
    """Bring the work tree and the index from tree `old` to tree `new`; `index_file` is of `locked_index`.

    A file that is neither as in `old` nor as in `new` was changed meanwhile: it stays, and its path is returned,
    to be taken as a hand edit by the next operation. Running it again after an interruption finishes the work.
    """
    index = read_index(dataset.index_path)
    lines = index.lines
    (dataset.private / "tmp").mkdir(parents=True, exist_ok=True)
    kept: list[str] = []
    fresh: list[tuple[str, bytes]] = []
    for change in sorted(diff(dataset.objects, old, new), key=lambda change: (change.new is not None, change.path)):
        found = _content(dataset, index, change)
        if found not in {None, change.old, change.new}:
            kept.append(change.path)
            lines.pop(change.path, None)
            if change.new is not None:
                lines[change.path] = unknown_line(change.new)
        elif change.new is None:
            _remove(dataset.root, change.path)
            lines.pop(change.path, None)
        elif found != change.new:
            fresh.append((change.path, change.new))
        elif is_stored_as_pointer(change.path) and not _is_current(dataset, index, change.path):
            fresh.append((change.path, change.new))  # right, but neither shared nor of a time that git can trust
        else:
            lines[change.path] = line_for((dataset.root / change.path).lstat(), change.new)
    _write_files(dataset, fresh, lines)
    write_index(dataset.index_path, lines, index_file)
    _write_state(dataset, new if not kept else None)
    return kept


def refuse_obstacles(dataset: Dataset, old: bytes | None, new: bytes) -> None:
    """Look before the first change whether every folder that is written to is one.

    Raises:
        WriteError: a file stands in the way, or a symbolic link, behind which nothing may be written or removed.
    """
    needed: dict[str, bool] = {}
    for change in diff(dataset.objects, old, new):
        folder = change.path.rpartition("/")[0]
        while folder and not needed.get(folder):
            if folder in needed and change.new is None:
                break
            needed[folder] = change.new is not None
            folder = folder.rpartition("/")[0]
    for folder, is_written in needed.items():
        try:
            mode = (dataset.root / folder).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat_module.S_ISLNK(mode) or (is_written and not stat_module.S_ISDIR(mode)):
            what = "symbolic link" if stat_module.S_ISLNK(mode) else "file"
            raise WriteError(f"{folder}: a {what} stands where a folder must be", hint="move it out of the dataset")


def refresh(dataset: Dataset, paths: list[str]) -> None:
    """Bring the index lines of files that hold HEAD's content up to date; an image gets a time that git can trust."""
    tree = dataset.head_tree
    if not paths or tree is None:
        return
    with locked_index(dataset.index_path) as index_file:
        lines = read_index(dataset.index_path).lines
        newest_ns = time.time_ns() - MIN_AGE_NS
        for path in filter(is_stored_as_pointer, paths):
            if (dataset.root / path).lstat().st_mtime_ns > newest_ns:
                os.utime(dataset.root / path, ns=(newest_ns, newest_ns))
        for path in paths:
            entry = find(dataset.objects, tree, path)
            if entry is not None:
                lines[path] = line_for((dataset.root / path).lstat(), entry.oid)
        write_index(dataset.index_path, lines, index_file)


def _write_state(dataset: Dataset, tree: bytes | None) -> None:
    if tree is None:
        (dataset.private / _STATE).unlink(missing_ok=True)
    else:
        replace_file(dataset.private / _STATE, msgspec.json.encode(_state(dataset, tree)))


def _content(dataset: Dataset, index: Index, change: Change) -> bytes | None:
    """Blob id of what stands at a changed path now; None when nothing does; b'' for what is no regular file."""
    try:
        stat = (dataset.root / change.path).lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    line = index.is_current(change.path, stat)
    if line is not None:
        return line.oid
    return hash_file(dataset.root, change.path) if stat_module.S_ISREG(stat.st_mode) else b""


def _is_current(dataset: Dataset, index: Index, path: str) -> bool:
    return index.is_current(path, (dataset.root / path).lstat()) is not None


def _remove(root: Path, path: str) -> None:
    target = root / path
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        target.unlink()
    for folder in target.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except OSError:
            return


def _write_files(dataset: Dataset, fresh: list[tuple[str, bytes]], lines: dict[str, IndexLine]) -> None:
    """Write (path, blob) rows on all cores: an image once for each content, its other places shared with it."""
    groups: dict[bytes, list[str]] = {}
    for path, blob in fresh:
        groups.setdefault(blob, []).append(path)
    donors = _donors(dataset, groups, lines)

    def write(row: tuple[bytes, list[str]]) -> list[tuple[str, IndexLine]]:
        blob, paths = row
        content: bytes | None = None
        donor = donors.get(blob)
        written = []
        for path in paths:
            target = f"{dataset.root}/{path}"
            ref = dataset.image_ref(path, blob)
            if ref is not None and dataset.lfs.has(ref):
                dataset.linker.place(dataset.lfs.path(ref.sha256), target, donor=donor)
                donor = target
            else:  # a text; or a clone without images, which keeps the pointer's text
                content = content or dataset.objects.read(blob)
                _write_text(dataset, target, content)
            written.append((path, line_for(os.lstat(target), blob)))
        return written

    for written in spread(write, list(groups.items())):
        lines.update(written)


def _write_text(dataset: Dataset, target: str, content: bytes) -> None:
    temporary = f"{dataset.private}/tmp/{os.getpid()}-{next(_SERIAL)}-text"
    with create(temporary) as file:
        file.write(content)
    replace(temporary, target)


def _donors(dataset: Dataset, wanted: Container[bytes], lines: dict[str, IndexLine]) -> dict[bytes, str]:
    """For each wanted blob, one unchanged work-tree image that has it; a writable one is somebody's own copy."""
    found: dict[bytes, str] = {}
    for path, line in lines.items():
        if line.oid in wanted and line.oid not in found and is_stored_as_pointer(path):
            target = f"{dataset.root}/{path}"
            try:
                stat = os.lstat(target)
            except OSError:
                continue
            if line.matches(stat) and not stat.st_mode & 0o222:
                found[line.oid] = target
    return found
