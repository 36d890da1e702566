"""The tree that the next operation will find: HEAD's with the hand edits that are not committed yet."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.operations.handrenames import carry, find_renames
from datakit.repo.worktree.scan import Edit
from datakit.store.objects import edit_tree


def pending_tree(dataset: Dataset, edits: Iterable[Edit]) -> bytes | None:
    """Id of that tree, for looking: its trees and texts are kept in memory, and nothing is written.

    The pointers of new images are not kept; their ids tell whether they changed.
    """
    edits, rows = list(edits), []
    for edit in edits:
        if edit.new is not None and not is_stored_as_pointer(edit.path):
            with contextlib.suppress(OSError):  # gone since it was listed: the id says enough
                dataset.objects.blob((dataset.root / edit.path).read_bytes())
        rows.append((edit.path, edit.new))
    root = dataset.head_tree
    renames = find_renames(dataset, root, edits)
    if root and renames:
        return carry(dataset, root, edits, renames).tree
    return edit_tree(dataset.objects, root, rows) if rows else root
