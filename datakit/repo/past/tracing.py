"""Which operation a file has something from: a walk back along the branch that looks at this one file.

A walk costs two small reads per operation; a folder is read only where it changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Set
from typing import NamedTuple

import pygit2

from datakit.repo.dataset import Dataset
from datakit.repo.oplog import MERGE, Operation, effective, read_operation
from datakit.store.objects import FILE_MODE, TREE_MODE

Facts = Set[str]
Read = Callable[[bytes | None], Facts]
"""Blob id of the file (None: it does not exist) → the facts that hold for it."""


class Position(NamedTuple):
    """A state to look back from."""

    commit: bytes | None
    """None for the work tree, which stands on HEAD."""
    tree: bytes | None


class ItemFile(NamedTuple):
    """One file of an item."""

    stage: str
    key: str
    extension: str

    @property
    def path(self) -> str:
        """Inside the dataset."""
        return f"{self.stage}/{self.key}.{self.extension}"


class Found(NamedTuple):
    """Where a fact began to hold."""

    operation: Operation | None
    """None for a hand edit that is not committed yet."""
    key: str
    """What the item was called then."""


class Tracer:
    """Walks of one command; what was read stays known."""

    def __init__(self, dataset: Dataset, renamed: Mapping[str, str]) -> None:
        """`renamed`: old key → new key, of hand renames that are not committed yet."""
        self._dataset = dataset
        self._renamed = renamed
        self._lines: dict[tuple[bytes, str], bytes | None] = {}
        self._commits: dict[bytes, tuple[bytes, list[bytes]]] = {}

    def trace(self, start: Position, file: ItemFile, facts: Facts, read: Read) -> dict[str, Found]:
        """Fact → the newest operation since which it has held; facts that hold for no file at all are left out."""
        walk = _Walk(self, self._dataset, read)
        walk.begin(start, file, facts)
        return walk.found

    def states(self, start: Position, file: ItemFile) -> Iterator[bytes | None]:
        """Every content (blob id) that the file had, newest first, under its earlier names too."""
        last = self.blob(start.tree, file.path)
        yield last
        commit, file = start.commit or self._dataset.head, self.committed(start, file)
        while commit is not None:
            tree, parents = self.commit(commit)
            blob = self.blob(tree, file.path)
            if blob != last:
                yield blob
                last = blob
            if parents:
                file = self.before(commit, file, blob, self.commit(parents[0])[0])
            commit = parents[0] if parents else None

    def commits(self, start: Position) -> Iterator[Position]:
        """The branch's states from here back."""
        yield start
        commit = start.commit or self._dataset.head
        while commit is not None:
            tree, parents = self.commit(commit)
            yield Position(commit, tree)
            commit = parents[0] if parents else None

    def commit(self, oid: bytes) -> tuple[bytes, list[bytes]]:
        """(tree, parents) of a commit."""
        found = self._commits.get(oid)
        if found is None:
            read: pygit2.Commit = self._dataset.commit(oid)
            found = bytes(read.tree_id.raw), [bytes(parent.raw) for parent in read.parent_ids]
            self._commits[oid] = found
        return found

    def before(self, commit: bytes, file: ItemFile, blob: bytes | None, tree: bytes) -> ItemFile:
        """The file as it was called before a commit; `blob` is its content there, `tree` the parent's."""
        older = self.blob(tree, file.path)
        if older == blob:
            return file
        renamed = read_operation(self._dataset, commit).args.get("renamed")
        return self._earlier(tree, file, renamed) if isinstance(renamed, dict) else file

    def committed(self, start: Position, file: ItemFile) -> ItemFile:
        """The file as HEAD calls it, where `start` is the work tree."""
        if start.commit is not None or not self._renamed:
            return file
        return self._earlier(self._dataset.head_tree, file, self._renamed)

    def _earlier(self, tree: bytes | None, file: ItemFile, renamed: Mapping[str, str]) -> ItemFile:
        was = next((old for old, new in renamed.items() if new == file.key), None)
        earlier = file._replace(key=was) if was else file
        has_earlier = self.blob(tree, earlier.path) is not None
        return earlier if has_earlier or self.blob(tree, file.path) is None else file

    def blob(self, tree: bytes | None, path: str) -> bytes | None:
        """Id of the file at a path of a tree, found without reading its folders line by line."""
        *folders, name = path.split("/")
        for folder in folders:
            tree = self._line(tree, TREE_MODE, folder) if tree else None
        return self._line(tree, FILE_MODE, name) if tree else None

    def _line(self, tree: bytes, mode: bytes, name: str) -> bytes | None:
        known = (tree, name)
        if known not in self._lines:
            data = self._dataset.objects.read(tree)
            needle = b"%s %s\0" % (mode, name.encode("utf-8", "surrogateescape"))
            at = data.find(needle)
            self._lines[known] = data[at + len(needle) : at + len(needle) + 20] if at >= 0 else None
        return self._lines[known]


class _Walk:
    """One question, followed through undos and merges."""

    def __init__(self, tracer: Tracer, dataset: Dataset, read: Read) -> None:
        self.found: dict[str, Found] = {}
        self._tracer = tracer
        self._dataset = dataset
        self._read = read
        self._known: dict[bytes | None, Facts] = {}

    def begin(self, start: Position, file: ItemFile, facts: Facts) -> None:
        """Look back from a state."""
        commit = start.commit
        if commit is None:
            head, committed = self._dataset.head, self._tracer.committed(start, file)
            held = self._holding(self._dataset.tree_of(head), committed)
            self.found.update({fact: Found(None, file.key) for fact in facts - held})
            facts, commit, file = facts & held, head, committed
        todo = [(commit, file, facts)] if commit else []
        while todo:
            todo += self._follow(*todo.pop())

    def _follow(self, commit: bytes, file: ItemFile, facts: Facts) -> list[tuple[bytes, ItemFile, Facts]]:
        """Go back until no fact is left; returns where else to look."""
        elsewhere: list[tuple[bytes, ItemFile, Facts]] = []
        while facts:
            tree, parents = self._tracer.commit(commit)
            older = self._tracer.commit(parents[0])[0] if parents else None
            earlier = file
            if older is not None:
                earlier = self._tracer.before(commit, file, self._tracer.blob(tree, file.path), older)
            new = facts - self._holding(older, earlier)
            if new:
                elsewhere += self._settle(commit, file, new)
            if not parents:
                break
            commit, file, facts = parents[0], earlier, facts - new
        return elsewhere

    def _settle(self, commit: bytes, file: ItemFile, facts: Facts) -> list[tuple[bytes, ItemFile, Facts]]:
        """Facts that a commit brought: from another branch, from an earlier state that it went back to, or itself."""
        shown = effective(self._dataset, commit)
        if shown != commit:
            return [(shown, file, facts)]
        operation = read_operation(self._dataset, commit)
        elsewhere: list[tuple[bytes, ItemFile, Facts]] = []
        for other in _merged(operation, self._tracer.commit(commit)[1]):
            held = facts & self._holding(self._tracer.commit(other)[0], file)
            if held:
                elsewhere.append((other, file, held))
                facts = facts - held
        self.found.update({fact: Found(operation, file.key) for fact in facts})
        return elsewhere

    def _holding(self, tree: bytes | None, file: ItemFile) -> Facts:
        blob = self._tracer.blob(tree, file.path)
        if blob not in self._known:
            self._known[blob] = self._read(blob)
        return self._known[blob]


def _merged(operation: Operation, parents: list[bytes]) -> list[bytes]:
    """The other branches of a merge; the machine line is none."""
    if not operation.op:
        return parents[1:]
    if operation.op != MERGE:
        return []
    return parents[1:-1] if len(parents) > 2 else parents[1:]
