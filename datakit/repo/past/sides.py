"""A state of the dataset to look at: a commit's, or the work tree's as it is now. Nothing is written."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterable
from pathlib import Path

import msgspec

from datakit.model.comparison import Moment, Picture
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.operations.pending import pending_tree
from datakit.repo.oplog import read_operation
from datakit.repo.worktree.scan import Edit, scan
from datakit.store.lfs import parse_pointer, pointer

WORK_TREE = "the work tree"
_CHUNK_BYTES = 1 << 20


class Side(msgspec.Struct, frozen=True):
    """One state: its name, its tree, and where images are that the store does not have yet."""

    moment: Moment
    tree: bytes | None
    loose: dict[str, Path] = {}
    """sha256 → file in the work tree."""


def commit_side(dataset: Dataset, name: str, commit: bytes | None) -> Side:
    """The state of a commit; an empty one for None, before the first commit."""
    if commit is None:
        return Side(Moment(name=name), None)
    shown = read_operation(dataset, commit)
    moment = Moment(name=name, commit=shown.commit, time=shown.time, subject=shown.subject)
    return Side(moment, dataset.tree_of(commit))


def work_tree_side(dataset: Dataset) -> Side:
    """The work tree with the hand edits that no operation has committed yet."""
    return edited_side(dataset, scan(dataset).edits)


def edited_side(dataset: Dataset, edits: Iterable[Edit]) -> Side:
    """HEAD's tree with hand edits; images' pointers are kept in memory."""
    edits = list(edits)
    loose: dict[str, Path] = {}
    for edit in edits:
        if edit.new is not None and is_stored_as_pointer(edit.path):
            path = dataset.root / edit.path
            with contextlib.suppress(OSError):  # gone since it was listed
                data, sha256 = _pointer_of(path)
                dataset.objects.blob(data)
                loose[sha256] = path
    return Side(Moment(name=WORK_TREE), pending_tree(dataset, edits), loose)


def read_picture(dataset: Dataset, picture: Picture, loose: dict[str, Path]) -> bytes | None:
    """An image's bytes; None where this clone does not have them.

    Raises:
        RepositoryError: the store's object cannot be read.
        OSError: the work tree's file cannot be read.
    """
    path = loose.get(picture.sha256)
    if path is not None:
        return path.read_bytes()
    if not picture.sha256 or not dataset.lfs.path(picture.sha256).exists():
        return None
    return dataset.lfs.read(picture.sha256)


def _pointer_of(path: Path) -> tuple[bytes, str]:
    """The pointer that would stand for a file, and the sha256 in it; pointer text stands for itself."""
    with path.open("rb") as file:
        head = file.read(_CHUNK_BYTES)
        found = parse_pointer(head) if 0 < len(head) <= 1024 else None
        if found is not None:
            return head, found[0]
        digest, size = hashlib.sha256(head), len(head)
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
            size += len(chunk)
    return pointer(digest.hexdigest(), size), digest.hexdigest()
