"""Going back and forth: new commits with an earlier tree.

The undos and redos that the branch ends with, replayed from the oldest on, are a stack: an undo puts what it took back
onto it, a redo takes the topmost off. Every other operation, hand edits and commits by plain git too, begins anew.
"""

from __future__ import annotations

from datakit.errors import StateError
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import transaction
from datakit.repo.oplog import REDO, UNDO, Operation, effective, first_parent, read_operation, went_to


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


def redo(dataset: Dataset) -> Operation:
    """Bring back the operation that the last undo took back; returns it.

    Hand edits found in the work tree become an operation first, and then there is nothing to bring back.

    Raises:
        StateError: the newest operation is none that went back.
    """
    expected = redoable(dataset)
    with transaction(dataset, REDO) as txn:
        stack = redoable(dataset)
        if not stack:
            raise _nothing(dataset, txn.base, has_edits=bool(expected))
        operation = stack[-1]
        tree = dataset.tree_of(bytes.fromhex(operation.commit))
        txn.commit(f"redo: {operation.subject}", trailers={"Redoes": operation.commit}, tree=tree)
        return operation


def _nothing(dataset: Dataset, head: bytes | None, *, has_edits: bool) -> StateError:
    if has_edits:
        return StateError(
            f"{dataset.root}: nothing to redo: your edits since are an operation of their own",
            hint="dsk undo takes them back; dsk op log shows what was undone before them",
        )
    is_redone = head is not None and read_operation(dataset, head).op == REDO
    why = "all that was undone is back" if is_redone else "the last operation is no undo"
    return StateError(
        f"{dataset.root}: nothing to redo: {why}",
        hint="dsk op log shows which operations are taken back",
    )


def redoable(dataset: Dataset) -> list[Operation]:
    """The operations that `redo` would bring back, the next one last."""
    steps: list[Operation] = []
    commit = dataset.head
    while commit is not None:
        operation = read_operation(dataset, commit)
        if went_to(dataset, operation) is None:
            break
        steps.append(operation)
        commit = first_parent(dataset, commit)
    stack: list[str] = []
    for step in reversed(steps):
        if step.undoes:
            stack.append(step.undoes)
        elif stack and stack[-1] == step.redoes:
            stack.pop()
        else:  # brought here by plain git
            stack.clear()
    return [read_operation(dataset, bytes.fromhex(one)) for one in stack]
