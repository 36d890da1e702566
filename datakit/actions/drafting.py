"""The transaction of a command that can also be tried without effect (`--dry-run`)."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datakit.actions.ingesting import hash_only
from datakit.repo.dataset import Dataset
from datakit.repo.operations.handedits import take_in
from datakit.repo.operations.handrenames import carry, find_renames
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.worktree.scan import Edit, scan
from datakit.store.objects import edit_tree


@contextlib.contextmanager
def draft(dataset: Dataset, op: str, args: Mapping[str, Any], *, is_dry: bool) -> Iterator[tuple[Transaction, Path]]:
    """A transaction, and a folder for what is unpacked; a dry one holds and writes nothing of the dataset.

    A dry one begins where the real one would: with the hand edits that the work tree has.
    """
    if not is_dry:
        with transaction(dataset, op, args) as txn:
            scratch = dataset.private / "tmp" / "unpacked"
            scratch.mkdir(parents=True, exist_ok=True)
            try:
                yield txn, scratch
            finally:
                shutil.rmtree(scratch, ignore_errors=True)  # else the next command removes it
        return
    with tempfile.TemporaryDirectory(prefix="dsk-") as folder:
        try:
            txn = Transaction(dataset, op, args)
            txn.base_tree = _with_hand_edits(dataset, txn.base_tree)
            yield txn, Path(folder)
        finally:
            dataset.objects.discard()


def _with_hand_edits(dataset: Dataset, tree: bytes | None) -> bytes | None:
    if tree is None:
        return None
    edits = [Edit(edit.path, edit.old, take_in(dataset, edit, take=hash_only)) for edit in scan(dataset).edits]
    renames = find_renames(dataset, tree, edits)
    if renames:
        return carry(dataset, tree, edits, renames).tree
    return edit_tree(dataset.objects, tree, ((edit.path, edit.new) for edit in edits))
