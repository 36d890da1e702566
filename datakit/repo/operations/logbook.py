"""Every operation of the branch, with whether it still stands, and one operation in full."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import msgspec

from datakit.model.comparison import FileChange, mark_of
from datakit.model.order import ORDER
from datakit.repo.dataset import Dataset
from datakit.repo.oplog import (
    Operation,
    effective,
    first_parent,
    history,
    read_operation,
    trailers_of,
    went_to,
)
from datakit.store.objects import diff


class LoggedOperation(Operation, frozen=True, kw_only=True):
    """One line of the log, as it stands now."""

    undone: bool = False
    """Whether it is taken back: nothing of it is in HEAD."""


class PlaceCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many files an operation changed in one folder of the dataset."""

    place: str
    """A stage, or another folder; '' for the dataset's own files."""
    num_added: int = 0
    num_changed: int = 0
    num_removed: int = 0


class OperationDetails(msgspec.Struct, frozen=True, kw_only=True):
    """One operation in full."""

    operation: LoggedOperation
    parents: tuple[str, ...]
    """40 hex digits each; the first is the operation before."""
    text: str
    """The commit's message without its subject and trailers."""
    trailers: dict[str, str]
    places: tuple[PlaceCount, ...]
    files: tuple[FileChange, ...]
    """Sorted by path."""


def read_log(dataset: Dataset) -> Iterator[LoggedOperation]:
    """Every operation of the branch, newest first, each with whether it is taken back."""
    head = dataset.head
    if head is None:
        return
    line = _Line(dataset, head)
    standing: bytes | None = effective(dataset, head)
    for operation in history(dataset):
        commit = bytes.fromhex(operation.commit)
        standing = line.nearest(standing, commit)
        if commit == standing:
            yield _logged(operation, undone=False)
            before = first_parent(dataset, commit)
            standing = effective(dataset, before) if before else None
        else:
            is_step = went_to(dataset, operation) is not None
            yield _logged(operation, undone=not is_step and standing is not None and line.changes(commit))


class _Line:
    """The branch's commits, for finding operations that plain git copied (a rebase) among them."""

    def __init__(self, dataset: Dataset, head: bytes) -> None:
        self._dataset = dataset
        self._head = head
        self._positions: dict[bytes, int] | None = None

    def nearest(self, goal: bytes | None, at: bytes) -> bytes | None:
        """`goal`, where the branch has it; else the newest commit with its tree, from `at` back."""
        if goal is None or goal == at:
            return goal
        positions = self._read()
        if positions.get(goal, -1) >= positions[at]:
            return goal
        tree = self._dataset.tree_of(goal)
        later = (commit for commit, position in positions.items() if position >= positions[at])
        same = (commit for commit in later if self._dataset.tree_of(commit) == tree)
        return next((one for one in same if went_to(self._dataset, read_operation(self._dataset, one)) is None), None)

    def changes(self, commit: bytes) -> bool:
        """Whether a commit changed anything."""
        before = first_parent(self._dataset, commit)
        return before is None or self._dataset.tree_of(before) != self._dataset.tree_of(commit)

    def _read(self) -> dict[bytes, int]:
        if self._positions is None:
            self._positions = {}
            commit: bytes | None = self._head
            while commit is not None:
                self._positions[commit] = len(self._positions)
                commit = first_parent(self._dataset, commit)
        return self._positions


def _logged(operation: Operation, *, undone: bool) -> LoggedOperation:
    return LoggedOperation(**msgspec.structs.asdict(operation), undone=undone)


def read_details(dataset: Dataset, commit: bytes) -> OperationDetails:
    """One operation in full; the commit need not be of the branch."""
    found = dataset.commit(commit)
    body, trailers = trailers_of(found.message.partition("\n")[2])
    before = first_parent(dataset, commit)
    files = [
        FileChange(path=change.path, mark=mark_of(change.old, change.new))
        for change in sorted(diff(dataset.objects, dataset.tree_of(before), dataset.tree_of(commit)))
    ]
    listed = next((one for one in read_log(dataset) if one.commit == commit.hex()), None)
    return OperationDetails(
        operation=listed or _logged(read_operation(dataset, commit), undone=False),
        parents=tuple(str(parent) for parent in found.parent_ids),
        text=body.strip(),
        trailers=trailers,
        places=tuple(_places(files)),
        files=tuple(files),
    )


def _places(files: Iterable[FileChange]) -> Iterator[PlaceCount]:
    counts: dict[str, Counter[str]] = {}
    for file in files:
        place, slash, _ = file.path.partition("/")
        counts.setdefault(place if slash else "", Counter())[file.mark] += 1
    for place in sorted(counts, key=lambda name: (ORDER.index(name) if name in ORDER else len(ORDER), name)):
        marks = counts[place]
        yield PlaceCount(
            place=place,
            num_added=marks["added"],
            num_changed=marks["changed"],
            num_removed=marks["removed"],
        )
