"""The work tree against HEAD: which files changed by hand."""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Iterable, Mapping
from functools import cached_property

import msgspec

from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_managed, is_stored_as_pointer
from datakit.repo.worktree.indexed import is_indexed, last_indexed
from datakit.repo.worktree.look import Found, Look, blob_id, hash_file
from datakit.store.index import Index, is_as_read, read_index
from datakit.store.objects import diff, files

__all__ = ["Edit", "Scan", "blob_id", "hash_file", "scan"]


class Edit(msgspec.Struct, frozen=True):
    """One path whose content differs from HEAD: None where it does not exist."""

    path: str
    old: bytes | None
    new: bytes | None


class Scan(msgspec.Struct, frozen=True, dict=True):
    """What the work tree holds."""

    index: Index
    edits: list[Edit]
    """Sorted by path."""
    stats: dict[str, os.stat_result]
    """Of every file that was read: those in `edits` that are there, and those in `same`."""
    unmanaged: list[str]
    """Files in stage folders that dsk leaves alone."""
    same: dict[str, bytes]
    """Files with HEAD's content whose line in the index does not say so, with the id of that content."""
    bare: list[str]
    """Images that are their pointer's text (of a clone without images), sorted."""

    @cached_property
    def blobs(self) -> dict[str, bytes]:
        """Path → id of the blob that holds, or would hold, what stands there; of every managed file."""
        found = {path: blob for path, blob in self.index.lines.blobs().items() if is_managed(path)}
        found.update(self.same)
        for edit in self.edits:
            if edit.new is None:
                found.pop(edit.path, None)
            else:
                found[edit.path] = edit.new
        return found


def scan(dataset: Dataset, begun: Look | None = None) -> Scan:
    """Compare the work tree with HEAD by stat, reading only files whose stat changed.

    `begun` is a look that began before the dataset was opened; it counts unless the index changed since.

    Raises:
        InputError: a file that changed cannot be read.
    """
    if begun is None or begun.root != dataset.root or not is_as_read(begun.index, dataset.index_path):
        begun = Look(dataset.root, read_index(dataset.index_path))
    index, found = begun.index, begun.found()
    head = _unlike_index(dataset, index)
    _look_again(dataset, head, found)
    edits: list[Edit] = []
    same: dict[str, bytes] = {}
    for path, (_, new) in found.looked.items():
        old = head[path] if path in head else _blob(index, path)
        if new != old:
            edits.append(Edit(path, old, new))
        else:
            same[path] = new
    for path in {*found.gone, *(head.keys() - found.looked.keys())}:
        old = head[path] if path in head else _blob(index, path)
        if old is not None and is_managed(path):
            edits.append(Edit(path, old, None))
    stats = {path: stat for path, (stat, _) in found.looked.items()}
    edits.sort(key=lambda edit: edit.path)
    return Scan(index, edits, stats, sorted(found.unmanaged), same, sorted(found.bare))


def _blob(index: Index, path: str) -> bytes | None:
    line = index.lines.get(path)
    return line.oid if line is not None and line.is_file else None


def _unlike_index(dataset: Dataset, index: Index) -> Mapping[str, bytes | None]:
    """Paths that the index has otherwise than HEAD, with HEAD's blob; and images that HEAD has themselves.

    Where dsk wrote the index last, there are none, which saves reading every tree; where git did and says that it
    equals HEAD, only what changed since dsk did is of interest.
    """
    tree = dataset.head_tree
    if tree is None:
        return dict.fromkeys(index.lines)
    if is_indexed(dataset, tree):
        return {}
    found: dict[str, bytes | None] = {}
    if index.tree != tree:
        head, lines = dict(files(dataset.objects, tree)), index.lines.blobs()
        found.update({path: head.get(path) for path in head.keys() | lines.keys() if head.get(path) != lines.get(path)})
    changes = diff(dataset.objects, last_indexed(dataset), tree)
    found.update(_raw_images(dataset, ((change.path, change.new) for change in changes)))
    return found


def _raw_images(dataset: Dataset, rows: Iterable[tuple[str, bytes | None]]) -> Iterable[tuple[str, bytes]]:
    """Images that plain git without git-lfs committed themselves, where a pointer belongs."""
    known: dict[bytes, bool] = {}
    for path, blob in rows:
        if blob is not None and is_stored_as_pointer(path):
            if blob not in known:
                known[blob] = dataset.image_ref(path, blob) is None
            if known[blob]:
                yield path, blob


def _look_again(dataset: Dataset, head: Iterable[str], found: Found) -> None:
    """Read what the index proves unchanged, but not what HEAD has."""
    for path in head:
        if path in found.looked or not is_managed(path):
            continue
        try:
            stat = (dataset.root / path).lstat()
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat_module.S_ISREG(stat.st_mode):
            found.looked[path] = stat, hash_file(dataset.root, path)
