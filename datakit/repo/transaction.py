"""One command, one commit: atomic, undoable, and never over unsaved hand edits.

Order of an operation: objects are written; one sync; the journal names the step from the old to the new commit;
the branch moves by compare-and-swap; the work tree and the index follow; the journal goes. Killed in between, the
next command reads the journal and lets the work tree follow the branch, which stands at the old or the new commit.
Where the work tree cannot follow (a full disk), the branch goes back, and the work tree with it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pygit2

from datakit.errors import DskError, LockedError, RepositoryError, WriteError
from datakit.model.item import ImageRef
from datakit.model.record import compact_json
from datakit.repo.checkout import checkout, refresh, refuse_obstacles
from datakit.repo.dataset import JOURNAL, Dataset
from datakit.repo.handedits import describe, heal_shared, take_in
from datakit.repo.oplog import encode_commit, message
from datakit.repo.scan import scan
from datakit.store.durable import replace_file, sync_filesystem
from datakit.store.index import locked_index
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
            found = self.base_tree if self.base else self._found()
            refuse_obstacles(dataset, found, new_tree)
            dataset.objects.flush()
            sync_filesystem(dataset.objects_folder)
            self._apply(commit, found, new_tree, subject)
        self.base, self.base_tree, self._edits = commit, new_tree, {}
        return commit.hex()

    def _found(self) -> bytes | None:
        """The tree of what stands where a first commit writes something else: `init` takes such files over."""
        objects, root = self.dataset.objects, self.dataset.root
        rows = [(path, objects.blob((root / path).read_bytes())) for path in self._edits if (root / path).is_file()]
        return edit_tree(objects, None, [row for row in rows if row[1] != self._edits[row[0]]])

    def _apply(self, commit: bytes, found: bytes | None, new_tree: bytes, subject: str) -> None:
        """Move the branch and let the work tree follow, or leave both as they were."""
        dataset = self.dataset
        with locked_index(dataset.index_path) as index_file:
            _write_journal(dataset, self.base, commit, found)
            try:
                _move_branch(dataset, self.base, commit, subject)
            except DskError:
                _journal_path(dataset).unlink()
                raise
            try:
                checkout(dataset, found, new_tree, index_file)
            except (OSError, DskError):
                # Where even the way back is barred, the next command goes on from the journal. On a full disk the
                # files that were written make room for what moving the branch needs, so they go first.
                with contextlib.suppress(OSError, DskError):
                    _empty_scratch(dataset)
                    checkout(dataset, new_tree, found, index_file)
                    _move_branch(dataset, commit, self.base, f"taken back: {subject}")
                    _journal_path(dataset).unlink()
                raise
            _journal_path(dataset).unlink()


def _args(args: Mapping[str, Any]) -> str:
    kept = {name: value for name, value in args.items() if value not in (None, "", False, [], ())}
    return compact_json(kept).decode() if kept else ""


@contextlib.contextmanager
def transaction(dataset: Dataset, op: str, args: Mapping[str, Any] | None = None) -> Iterator[Transaction]:
    """Hold the dataset for one command; hand edits found in the work tree are committed first, on their own.

    Raises:
        LockedError: another process is writing.
        WriteError: the disk is full or refuses.
    """
    with exclusive(dataset.private / "lock"), _disk_errors(dataset):
        _tidy(dataset)
        dataset.branch_ref  # noqa: B018  a detached HEAD is refused before any work
        dataset.prepare()
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
    healed: dict[str, tuple[os.stat_result, bytes]] = {}
    if found.edits:
        healed = heal_shared(dataset, found)
        saving = Transaction(dataset, "edit", {})
        edits = [edit for edit in found.edits if edit.path not in healed]
        for edit in edits:
            saving.put_blob(edit.path, take_in(dataset, edit))
        saved = saving.commit(describe(edits))
    refresh(dataset, {path: (found.stats[path], blob) for path, blob in found.same.items()} | healed)
    return saved


def _tidy(dataset: Dataset) -> None:
    """Do away with what killed processes left; the caller holds the dataset's lock."""
    _empty_scratch(dataset)
    dataset.lfs.tidy()
    _finish(dataset)


def _empty_scratch(dataset: Dataset) -> None:
    scratch = dataset.private / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)


def _finish(dataset: Dataset) -> None:
    """Let the work tree follow a branch that moved, or went back, before it could."""
    journal = _journal_path(dataset)
    try:
        step = msgspec.json.decode(journal.read_bytes(), type=dict[str, str])
    except FileNotFoundError:
        return
    except msgspec.DecodeError as error:
        raise RepositoryError(f"{journal}: damaged", hint="delete it, then look at git status") from error
    head = dataset.head.hex() if dataset.head else ""
    old, new = step["old"], step["new"]
    found, made = bytes.fromhex(step["found"]) or None, dataset.tree_of(bytes.fromhex(new))
    if head in {old, new}:
        origin, goal = (found, made) if head == new else (made, found)
        with locked_index(dataset.index_path) as index_file:
            checkout(dataset, origin, goal, index_file)
    journal.unlink()


def _journal_path(dataset: Dataset) -> Path:
    return dataset.private / JOURNAL


def recover(dataset: Dataset) -> None:
    """Tidy up after an interrupted operation; does nothing while another process is at work."""
    if _journal_path(dataset).exists():
        with contextlib.suppress(LockedError), exclusive(dataset.private / "lock", wait_s=0), _disk_errors(dataset):
            _tidy(dataset)


def _write_journal(dataset: Dataset, old: bytes | None, new: bytes, found: bytes | None) -> None:
    """`found` is the tree of what stood there before: the old commit's, or a person's files before the first."""
    step = {"old": old.hex() if old else "", "new": new.hex(), "found": found.hex() if found else ""}
    replace_file(_journal_path(dataset), msgspec.json.encode(step))


def _move_branch(dataset: Dataset, old: bytes | None, new: bytes | None, subject: str) -> None:
    """Compare and swap; None stands for a branch without commits.

    Raises:
        LockedError: the branch is at neither.
        WriteError: the disk refuses, or a killed git left its lock; the branch has not moved.
    """
    name = dataset.branch_ref
    try:
        if old is None and new is not None:
            dataset.repo.create_reference_direct(name, pygit2.Oid(raw=new), False, f"dsk: {subject}")
            return
        reference = dataset.repo.lookup_reference(name)
        if dataset.head != old:
            raise _moved(name)
        if new is None:
            reference.delete()
        else:
            reference.set_target(pygit2.Oid(raw=new), f"dsk: {subject}")
    except (pygit2.GitError, pygit2.AlreadyExistsError, KeyError, OSError) as error:
        if dataset.head == new:
            return  # all but a line of the reflog was written
        if dataset.head != old:
            raise _moved(name) from error
        raise WriteError(
            f"{name}: git cannot move it: {error}",
            hint=f"check the disk; if no git command is running, delete .git/{name}.lock",
        ) from error


def _moved(name: str) -> LockedError:
    return LockedError(f"{name} moved meanwhile: another git command committed", hint="run the command again")


@contextlib.contextmanager
def _disk_errors(dataset: Dataset) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = error.filename or dataset.root
        hint = {
            errno.ENOSPC: "free some space, then run the command again; what was not committed yet did not happen",
            errno.EDQUOT: "free some of your quota, then run the command again",
        }.get(error.errno or 0, "check the disk and the permissions, then run the command again")
        raise WriteError(f"{where}: {error.strerror or error}", hint=hint) from error
