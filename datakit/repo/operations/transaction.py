"""One command, one commit: atomic, undoable, and never over unsaved hand edits.

Order of an operation: objects are written; one sync; the journal names the step from the old to the new commit;
the branch moves by compare-and-swap; the work tree and the index follow; the journal goes. Killed in between, the
next command reads the journal and lets the work tree follow the branch, which stands at the old or the new commit.
Where the work tree cannot follow (a full disk), the branch goes back, and the work tree with it.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from datakit.errors import LockedError, RepositoryError
from datakit.model.item import ImageRef
from datakit.model.naming import one_line
from datakit.model.record import compact_json
from datakit.repo.dataset import Dataset
from datakit.repo.operations.handedits import describe, heal_shared, take_in
from datakit.repo.operations.handrenames import carry, find_renames, renamed_items
from datakit.repo.operations.machine import machine_commit
from datakit.repo.operations.steps import Step, disk_errors, empty_scratch, finish, has_journal, take_step
from datakit.repo.oplog import encode_commit, machine_tip, message
from datakit.repo.stagetree import TreeView
from datakit.repo.worktree.checkout import refresh, refuse_obstacles, rewrite
from datakit.repo.worktree.scan import Edit, scan
from datakit.store.durable import sync_filesystems
from datakit.store.lock import exclusive
from datakit.store.objects import edit_tree


class Transaction:
    """The change that one command is making; nothing of it shows before `commit`."""

    def __init__(self, dataset: Dataset, op: str, args: Mapping[str, Any]) -> None:
        self.dataset = dataset
        self.op = op
        self.args = args
        self.base = dataset.head
        self.base_tree = dataset.tree_of(self.base)
        self.merges: bytes | None = None
        """Commit of another branch that this operation takes over."""
        self.stood: bytes | None = None
        """Tree of what stands in the work tree, where that is more than the commit before: with hand edits."""
        self._edits: dict[str, bytes | None] = {}

    def put(self, path: str, data: bytes) -> None:
        """Set a text file."""
        self._edits[path] = self.dataset.objects.blob(data)

    def put_image(self, path: str, ref: ImageRef) -> None:
        """Set an image that the store holds already."""
        self._edits[path] = self.dataset.pointer_blob(ref)

    def put_blob(self, path: str, blob: bytes | None) -> None:
        """Set a path to a blob that git holds already, or remove it (None)."""
        self._edits[path] = blob

    def tree(self) -> bytes:
        """The tree as it would be committed now."""
        return edit_tree(self.dataset.objects, self.base_tree, self._edits.items()) or self.dataset.objects.put_tree({})

    def commit(
        self,
        subject: str,
        *,
        trailers: Mapping[str, str] | None = None,
        machine: bytes | None = None,
        tree: bytes | None = None,
        found: bytes | None = None,
    ) -> str | None:
        """Make the change real; returns the commit's id, or None when nothing changed.

        `machine` is the commit of the machine line that becomes the last parent; `tree` replaces the edits; `found`
        is the tree of what stands in the work tree, where that is known not to be the commit before.
        """
        subject = one_line(subject)
        new_tree = tree if tree is not None else self.tree()
        if new_tree == self.base_tree and self.merges is None:
            return None
        dataset = self.dataset
        parents = [parent for parent in (self.base, self.merges, machine) if parent is not None]
        text = message(subject, {"Op": self.op, **(trailers or {}), "Args": _args(self.args)})
        commit = dataset.objects.put("commit", encode_commit(dataset, new_tree, parents, text))
        with disk_errors(dataset):
            found = found or (self.base_tree if self.base else self._found())
            refuse_obstacles(dataset, found, new_tree)
            dataset.objects.flush()
            sync_filesystems(dataset.objects_folder, dataset.lfs.folder)
            take_step(dataset, Step(self.base, commit, found, new_tree, subject, stood=self.stood))
        self.base, self.base_tree, self._edits = commit, new_tree, {}
        return commit.hex()

    def _found(self) -> bytes | None:
        """The tree of what stands where a first commit writes something else: `init` takes such files over."""
        objects, root = self.dataset.objects, self.dataset.root
        rows = [(path, objects.blob((root / path).read_bytes())) for path in self._edits if (root / path).is_file()]
        return edit_tree(objects, None, [row for row in rows if row[1] != self._edits[row[0]]])


def _args(args: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in args.items() if value not in (None, "", False, [], ())}
    return compact_json(kept).decode() if kept else ""


@contextlib.contextmanager
def held(dataset: Dataset) -> Iterator[None]:
    """Hold the dataset, tidied up, for work that is no operation.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
    """
    with exclusive(dataset.private / "lock"), disk_errors(dataset):
        _tidy(dataset)
        yield


@contextlib.contextmanager
def transaction(dataset: Dataset, op: str, args: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
    """Hold the dataset for one operation; hand edits found in the work tree are committed first, on their own.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
    """
    with contextlib.ExitStack() as stack:
        if not dataset.in_session:
            stack.enter_context(session(dataset))
        running = Transaction(dataset, op, args or {})
        try:
            yield running
        finally:
            dataset.objects.discard()


@contextlib.contextmanager
def session(dataset: Dataset) -> Iterator[None]:
    """Hold the dataset for several operations in a row; hand edits are committed once, before the first.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
        RepositoryError: HEAD stands on no branch, or on one that does not exist beside others that do.
    """
    with held(dataset):
        _refuse_homeless(dataset)
        dataset.prepare()
        if dataset.head is not None:
            save_hand_edits(dataset)
        dataset.in_session = True
        try:
            yield
        finally:
            dataset.in_session = False


def _refuse_homeless(dataset: Dataset) -> None:
    """Refuse before any work a HEAD from which a commit would belong to no branch, or begin a second history."""
    dataset.branch_ref  # noqa: B018  refuses a detached HEAD
    if dataset.astray:
        raise RepositoryError(f"{dataset.root}: {dataset.astray}", hint=dataset.way_back())


def save_hand_edits(dataset: Dataset) -> str | None:
    """Commit what people changed in the work tree since the last operation; returns the commit's id, if any."""
    found = scan(dataset)
    saved: str | None = None
    healed: dict[str, tuple[os.stat_result, bytes]] = {}
    if found.edits:
        healed = heal_shared(dataset, found)
        edits = [edit for edit in found.edits if edit.path not in healed]
        saved = _commit_edits(dataset, [Edit(edit.path, edit.old, take_in(dataset, edit)) for edit in edits])
    refresh(dataset, {path: (found.stats[path], blob) for path, blob in found.same.items()} | healed)
    fill_in(dataset, found.bare)
    return saved


def fill_in(dataset: Dataset, bare: Iterable[str]) -> int:
    """Put images in the place of their pointers' texts, where they have come meanwhile; returns how many.

    A clone without images, and plain git without git-lfs, leave such texts (`Scan.bare`).
    """
    head = TreeView(dataset, dataset.head_tree)
    rows: dict[str, tuple[os.stat_result, bytes]] = {}
    for path in bare:
        blob = head.blob(path)
        ref = dataset.image_ref(path, blob) if blob else None
        if blob and ref and dataset.lfs.has(ref):
            with contextlib.suppress(FileNotFoundError):
                rows[path] = (dataset.root / path).lstat(), blob
    return len(rows) - len(rewrite(dataset, rows)) if rows else 0


def _commit_edits(dataset: Dataset, edits: list[Edit]) -> str | None:
    """Commit hand edits; where items were renamed among them, all stages follow."""
    saving = Transaction(dataset, "edit", {})
    rows = [(edit.path, edit.new) for edit in edits]
    saving.stood = edit_tree(dataset.objects, saving.base_tree, rows) or dataset.objects.put_tree({})
    renames = find_renames(dataset, saving.base_tree, edits)
    subject = describe(edits, renames)
    if not renames or saving.base_tree is None:
        for edit in edits:
            saving.put_blob(edit.path, edit.new)
        return saving.commit(subject)
    saving.args = {"renamed": renamed_items(renames)}
    carried = carry(dataset, saving.base_tree, edits, renames)
    machine = None
    if carried.made:
        tip = machine_tip(dataset)
        machine = machine_commit(dataset, [tip] if tip else [], carried.made, subject=subject)
    return saving.commit(subject, machine=machine, tree=carried.tree, found=carried.found)


def _tidy(dataset: Dataset) -> None:
    """Do away with what killed processes left; the caller holds the dataset's lock."""
    empty_scratch(dataset)
    dataset.lfs.tidy()
    finish(dataset)


def recover(dataset: Dataset) -> None:
    """Tidy up after an interrupted operation; does nothing while another process is at work."""
    if has_journal(dataset):
        with contextlib.suppress(LockedError), exclusive(dataset.private / "lock", wait_s=0), disk_errors(dataset):
            _tidy(dataset)
