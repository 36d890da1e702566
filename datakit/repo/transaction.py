"""One command, one commit: atomic, undoable, and never over unsaved hand edits.

Order of an operation: objects are written; one sync; the journal names the step from the old to the new commit;
the branch moves by compare-and-swap; the work tree and the index follow; the journal goes. Killed before the branch
moved, nothing happened; killed after, the next command reads the journal and lets the work tree follow.
"""

from __future__ import annotations

import contextlib
import errno
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import pygit2

from datakit.errors import LockedError, RepositoryError, WriteError
from datakit.model.item import ImageRef
from datakit.repo.dataset import Dataset
from datakit.repo.handedits import describe, heal_shared, take_in
from datakit.repo.oplog import encode_commit, message
from datakit.repo.worktree import checkout, refresh, scan
from datakit.store.durable import replace_file, sync_filesystem
from datakit.store.lock import exclusive
from datakit.store.objects import edit_tree

_JOURNAL = "journal.json"


class Transaction:
    """The change that one command is making; nothing of it shows before `commit`."""

    def __init__(self, dataset: Dataset, op: str, args: Mapping[str, Any]) -> None:
        self.dataset = dataset
        self.op = op
        self.args = args
        self.base = dataset.head
        self.base_tree = dataset.tree_of(self.base)
        self.kept_paths: list[str] = []
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
        self, subject: str, *, trailers: Mapping[str, str] | None = None, machine: bytes | None = None,
        tree: bytes | None = None,
    ) -> str | None:
        """Make the change real; returns the commit's id, or None when nothing changed.

        `machine` is the commit of the machine line that becomes the second parent; `tree` replaces the edits.
        """
        new_tree = tree if tree is not None else self.tree()
        if new_tree == self.base_tree:
            return None
        dataset = self.dataset
        parents = [parent for parent in (self.base, machine) if parent is not None]
        text = message(subject, {"Op": self.op, **(trailers or {}), "Args": _args(self.args)})
        commit = dataset.objects.put("commit", encode_commit(dataset, new_tree, parents, text))
        with _disk_errors(dataset):
            dataset.objects.flush()
            sync_filesystem(dataset.objects_folder)
            _write_journal(dataset, self.base, commit)
            _move_branch(dataset, self.base, commit, subject)
        self.kept_paths += finish(dataset)
        self.base, self.base_tree, self._edits = commit, new_tree, {}
        return commit.hex()


def _args(args: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in args.items() if value not in (None, "", False, [], ())}
    return msgspec.json.encode(kept, order="sorted").decode() if kept else ""


@contextlib.contextmanager
def transaction(dataset: Dataset, op: str, args: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
    """Hold the dataset for one command; hand edits found in the work tree are committed first, on their own.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
    """
    with exclusive(dataset.private / "lock"), _disk_errors(dataset):
        finish(dataset)
        scratch = dataset.private / "tmp"
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(parents=True, exist_ok=True)
        if dataset.head is not None:
            save_hand_edits(dataset)
        running = Transaction(dataset, op, args or {})
        try:
            yield running
        finally:
            dataset.objects.discard()


def save_hand_edits(dataset: Dataset) -> str | None:
    """Commit what people changed in the work tree since the last operation; returns the commit's id, if any."""
    found = scan(dataset)
    saved: str | None = None
    healed: list[str] = []
    if found.edits:
        healed = heal_shared(dataset, found)
        saving = Transaction(dataset, "edit", {})
        edits = [edit for edit in found.edits if edit.path not in healed]
        for edit in edits:
            saving.put_blob(edit.path, take_in(dataset, edit))
        saved = saving.commit(describe(edits))
    refresh(dataset, [*found.same, *healed])
    return saved


def finish(dataset: Dataset) -> list[str]:
    """Let the work tree follow a branch that moved before it could; returns paths left as somebody changed them."""
    journal = dataset.private / _JOURNAL
    try:
        step = msgspec.json.decode(journal.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return []
    except msgspec.DecodeError as error:
        raise RepositoryError(f"{journal}: damaged", hint="delete it, then look at git status") from error
    kept: list[str] = []
    if dataset.head is not None and dataset.head.hex() == step["new"]:
        old = bytes.fromhex(step["old"]) if step["old"] else None
        kept = checkout(dataset, dataset.tree_of(old), dataset.tree_of(dataset.head) or b"")
    journal.unlink()
    return kept


def recover(dataset: Dataset) -> None:
    """Tidy up after an interrupted operation; does nothing while another process is at work."""
    if (dataset.private / _JOURNAL).exists():
        with contextlib.suppress(LockedError), exclusive(dataset.private / "lock", wait_s=0):
            finish(dataset)


def _write_journal(dataset: Dataset, old: bytes | None, new: bytes) -> None:
    step = {"old": old.hex() if old else "", "new": new.hex()}
    replace_file(dataset.private / _JOURNAL, msgspec.json.encode(step))


def _move_branch(dataset: Dataset, old: bytes | None, new: bytes, subject: str) -> None:
    name, target = dataset.branch_ref, pygit2.Oid(raw=new)
    moved = LockedError(f"{name} moved meanwhile: another git command committed", hint="run the command again")
    try:
        if old is None:
            dataset.repo.create_reference_direct(name, target, False, f"dsk: {subject}")
            return
        reference = dataset.repo.lookup_reference(name)
        if str(reference.target) != old.hex():
            raise moved
        reference.set_target(target, f"dsk: {subject}")
    except (pygit2.GitError, pygit2.AlreadyExistsError, KeyError) as error:
        raise moved from error


@contextlib.contextmanager
def _disk_errors(dataset: Dataset) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or dataset.root
        hint = {
            errno.ENOSPC: "free some space, then run the command again; nothing was changed",
            errno.EDQUOT: "free some of your quota, then run the command again; nothing was changed",
        }.get(error.errno or 0, "check the disk and the folder's permissions; nothing was changed")
        raise WriteError(f"{where}: {error.strerror or error}", hint=hint) from error
