"""The work tree against HEAD: which files changed by hand."""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat as stat_module
from collections.abc import Mapping
from pathlib import Path

import msgspec

from datakit.errors import InputError, RepositoryError
from datakit.repo.dataset import Dataset
from datakit.repo.indexed import is_indexed
from datakit.repo.layout import MANAGED_FILES, MANAGED_FOLDERS, is_managed, is_managed_name, is_stored_as_pointer
from datakit.store.index import Index, read_index
from datakit.store.lfs import parse_pointer, pointer
from datakit.store.objects import files

_CHUNK_BYTES = 1 << 20


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
    same: dict[str, bytes]
    """Files with HEAD's content whose line in the index does not say so, with the id of that content."""
    blobs: dict[str, bytes]
    """Path → id of the blob that holds, or would hold, what stands there."""


def scan(dataset: Dataset) -> Scan:
    """Compare the work tree with HEAD by stat, reading only files whose stat changed.

    Raises:
        InputError: a file that changed cannot be read.
    """
    index = read_index(dataset.index_path)
    head, written_by_dsk = _head_files(dataset, index)
    stats, unmanaged = list_files(dataset.root)
    edits: list[Edit] = []
    same: dict[str, bytes] = {}
    blobs: dict[str, bytes] = {}
    for path, stat in stats.items():
        old = head.get(path)
        line = index.is_current(path, stat)
        if line is not None and line.oid == old and (written_by_dsk or not _is_raw_image(dataset, path, old)):
            blobs[path] = line.oid
            continue
        blobs[path] = new = hash_file(dataset.root, path)
        if new != old:
            edits.append(Edit(path, old, new))
        else:
            same[path] = new
    edits += [Edit(path, old, None) for path, old in head.items() if path not in stats and is_managed(path)]
    return Scan(index, sorted(edits, key=lambda edit: edit.path), stats, unmanaged, same, blobs)


def _head_files(dataset: Dataset, index: Index) -> tuple[Mapping[str, bytes], bool]:
    """HEAD's files, and whether dsk wrote HEAD and index last.

    Then they are taken from the index, which is known to equal HEAD; that saves reading every tree.
    """
    tree = dataset.head_tree
    if tree is None:
        return {}, True
    if is_indexed(dataset, tree):
        return {path: line.oid for path, line in index.lines.items() if line.is_file}, True
    return dict(files(dataset.objects, tree)), False


def _is_raw_image(dataset: Dataset, path: str, blob: bytes) -> bool:
    """Whether plain git without git-lfs committed an image itself, where a pointer belongs."""
    return is_stored_as_pointer(path) and dataset.image_ref(path, blob) is None


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
