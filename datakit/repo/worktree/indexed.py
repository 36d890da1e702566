"""Which tree git's index is known to equal, so that HEAD's files can be taken from it instead of from every tree."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit.repo.dataset import Dataset
from datakit.store.durable import replace_file

_NAME = "index.json"


def is_indexed(dataset: Dataset, tree: bytes) -> bool:
    """Whether dsk wrote the index last, and for this tree."""
    try:
        noted = msgspec.json.decode((dataset.private / _NAME).read_bytes(), type=dict[str, Any])
    except (OSError, msgspec.DecodeError):
        return False
    return noted == _state(dataset, tree)


def last_indexed(dataset: Dataset) -> bytes | None:
    """The tree for which dsk wrote the index last, whatever became of it since; None when not known."""
    try:
        noted = msgspec.json.decode((dataset.private / _NAME).read_bytes(), type=dict[str, Any])
        tree = bytes.fromhex(noted["tree"])
    except (OSError, msgspec.DecodeError, KeyError, TypeError, ValueError):
        return None
    return tree if dataset.objects.has(tree) else None


def note_indexed(dataset: Dataset, tree: bytes | None) -> None:
    """Remember that the index, as it is now, equals `tree`; None forgets."""
    if tree is None:
        (dataset.private / _NAME).unlink(missing_ok=True)
    else:
        replace_file(dataset.private / _NAME, msgspec.json.encode(_state(dataset, tree)))


def _state(dataset: Dataset, tree: bytes) -> dict[str, Any] | None:
    try:
        stat = dataset.index_path.stat()
    except FileNotFoundError:
        return None
    return {"tree": tree.hex(), "mtime_ns": stat.st_mtime_ns, "size": stat.st_size, "inode": stat.st_ino}
