"""Going back: a new commit with an earlier tree."""

from __future__ import annotations

from datakit.errors import StateError
from datakit.repo.dataset import Dataset
from datakit.repo.oplog import UNDO, Operation, effective, first_parent, read_operation
from datakit.repo.transaction import transaction


def undo(dataset: Dataset) -> Operation:
    """Take back the newest operation that is not taken back yet; returns it.

    Hand edits found in the work tree become an operation first, so they are what is taken back first.

    Raises:
        StateError: nothing is left but the dataset's beginning.
    """
    with transaction(dataset, UNDO) as txn:
        nothing = StateError(f"{dataset.root}: nothing to undo", hint="dsk log shows every operation")
        if txn.base is None:
            raise nothing
        position = effective(dataset, txn.base)
        before = first_parent(dataset, position)
        while before is not None and dataset.tree_of(before) == txn.base_tree:  # an empty commit by plain git
            position = effective(dataset, before)
            before = first_parent(dataset, position)
        if before is None:
            raise nothing
        undone = read_operation(dataset, position)
        txn.commit(f"undo: {undone.subject}", trailers={"Undoes": undone.commit}, tree=dataset.tree_of(before))
        return undone
