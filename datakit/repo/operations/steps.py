"""One step of HEAD, from one commit to another, with the index and the work tree behind it: all of it, or nothing.

Either the branch moves to a new commit, or HEAD moves to another branch. The journal names the step while it is taken;
whoever finds one after a kill lets the work tree follow to the side on which HEAD stands.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pygit2

from datakit.errors import DskError, LockedError, RepositoryError, WriteError
from datakit.repo.dataset import JOURNAL, Dataset
from datakit.repo.worktree.checkout import checkout
from datakit.repo.worktree.indexed import note_indexed
from datakit.store.durable import replace_file
from datakit.store.index import locked_index
from datakit.store.reflock import take_over

_HEAD = "HEAD"
_SYMBOLIC = "ref: "
_HINTS = {
    errno.ENOSPC: "free some space, then run the command again; what was not committed yet did not happen",
    errno.EDQUOT: "free some of your quota, then run the command again",
    errno.EFBIG: "the file system, or a limit (ulimit -f), allows no larger file; raise it, then run the command again",
}


class Step(NamedTuple):
    """Where HEAD stands, where it will, and what goes with it."""

    old: bytes | None
    """Commit; None before the first."""
    new: bytes
    """Commit."""
    found: bytes | None
    """Tree of what stands in the work tree: the old commit's, or a person's files before the first."""
    made: bytes | None
    """Tree that is to stand there."""
    subject: str
    """For git's reflog."""
    branch: str = ""
    """Full name of the branch that HEAD moves to; '' where its own branch moves."""
    stood: bytes | None = None
    """Tree to go back to, where it is not `found`: the old commit's with the hand edits that the step commits."""


def take_step(dataset: Dataset, step: Step) -> None:
    """Move, and let the index and the work tree follow, or leave everything as it was.

    Raises:
        LockedError: somebody else moved it meanwhile, or is at work.
        WriteError: the disk refuses.
    """
    before = _head_content(dataset)
    with locked_index(dataset.index_path) as index_file:
        _write_journal(dataset, step, before)
        try:
            _forward(dataset, step)
        except DskError:
            _journal_path(dataset).unlink()
            raise
        try:
            checkout(dataset, step.found, step.made, index_file)
        except (OSError, DskError):
            # Where even the way back is barred, the next command goes on from the journal. On a full disk the files
            # that were written make room for what the move needs, so they go first.
            with contextlib.suppress(OSError, DskError):
                empty_scratch(dataset)
                _go_back(dataset, step, index_file)
                _back(dataset, step, before)
                _journal_path(dataset).unlink()
            raise
        _journal_path(dataset).unlink()


def announce(dataset: Dataset, step: Step) -> None:
    """Journal a step before the long work that it needs; the work tree follows even if that is cut short."""
    _write_journal(dataset, step, _head_content(dataset))


def finish(dataset: Dataset) -> None:
    """Let the work tree follow a HEAD that moved, or went back, before it could.

    Raises:
        LockedError: a git command is at work on what moves.
        RepositoryError: the journal is damaged.
    """
    journal = _journal_path(dataset)
    try:
        found = msgspec.json.decode(journal.read_bytes(), type=_Journal)
    except FileNotFoundError:
        return
    except msgspec.DecodeError as error:
        raise RepositoryError(f"{journal}: damaged", hint="delete it, then look at git status") from error
    _take_over_lock(dataset, found)
    head = dataset.head.hex() if dataset.head else ""
    if head in {found.old, found.new}:
        step = found.step()
        with locked_index(dataset.index_path) as index_file:
            if head == found.new:
                checkout(dataset, step.found, step.made, index_file)
            else:
                _go_back(dataset, step, index_file)
    journal.unlink()


def has_journal(dataset: Dataset) -> bool:
    """Whether a step was begun and not ended."""
    return _journal_path(dataset).exists()


def empty_scratch(dataset: Dataset) -> None:
    """Begin with an empty folder for files on their way to their places."""
    scratch = dataset.private / "tmp"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True, exist_ok=True)


class _Journal(msgspec.Struct, frozen=True, kw_only=True):
    """A step on disk: ids as hex digits, '' for none."""

    old: str
    new: str
    found: str
    made: str
    branch: str = ""
    before: str = ""
    """Content of HEAD before."""
    stood: str = ""

    def step(self) -> Step:
        """The step that it tells of."""
        old, new, found, made, stood = (
            bytes.fromhex(one) for one in (self.old, self.new, self.found, self.made, self.stood)
        )
        return Step(old or None, new, found or None, made or None, "", self.branch, stood or None)


def _write_journal(dataset: Dataset, step: Step, before: str) -> None:
    row = _Journal(
        old=_hex(step.old), new=_hex(step.new), found=_hex(step.found), made=_hex(step.made), branch=step.branch,
        before=before, stood=_hex(step.stood),
    )  # fmt: skip
    replace_file(_journal_path(dataset), msgspec.json.encode(row))


def _hex(oid: bytes | None) -> str:
    return oid.hex() if oid else ""


def _journal_path(dataset: Dataset) -> Path:
    return dataset.private / JOURNAL


def _take_over_lock(dataset: Dataset, journal: _Journal) -> None:
    if journal.branch:
        lock = Path(dataset.repo.path) / f"{_HEAD}.lock"
        ours = {f"{_SYMBOLIC}{journal.branch}".encode(), journal.before.encode()}
    else:
        lock = dataset.objects_folder.parent / f"{dataset.branch_ref}.lock"
        ours = {journal.old.encode(), journal.new.encode()}
    if not take_over(lock, ours):
        raise LockedError(
            f"{lock} exists: a git command is at work here",
            hint="wait until it is done; if none is running, delete that file",
        )


def _head_content(dataset: Dataset) -> str:
    """What HEAD holds: `ref: refs/heads/main`, or a commit's id."""
    target = dataset.repo.lookup_reference(_HEAD).target
    return f"{_SYMBOLIC}{target}" if isinstance(target, str) else str(target)


def _go_back(dataset: Dataset, step: Step, index_file: Path) -> None:
    """Let the work tree stand as before the step: hand edits that it was to commit are hand edits again."""
    checkout(dataset, step.made, step.stood or step.found, index_file)
    if step.stood is not None:
        note_indexed(dataset, None)  # the index is neither the old commit's nor that of the edits


def _forward(dataset: Dataset, step: Step) -> None:
    if step.branch:
        _move_head(dataset, f"{_SYMBOLIC}{step.branch}")
    elif dataset.head != step.new:  # a clone's HEAD is there before its files are
        _move_branch(dataset, step.old, step.new, step.subject)


def _back(dataset: Dataset, step: Step, before: str) -> None:
    if step.branch:
        _move_head(dataset, before)
    else:
        _move_branch(dataset, step.new, step.old, f"taken back: {step.subject}")


def _move_head(dataset: Dataset, content: str) -> None:
    name = content.removeprefix(_SYMBOLIC)
    try:
        dataset.repo.set_head(name if content.startswith(_SYMBOLIC) else pygit2.Oid(hex=content))
    except (pygit2.GitError, KeyError, OSError) as error:
        if _head_content(dataset) == content:
            return  # all but a line of the reflog was written
        raise WriteError(
            f"HEAD: git cannot move it: {error}",
            hint="check the disk; if no git command is running, delete .git/HEAD.lock",
        ) from error


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
def disk_errors(dataset: Dataset) -> Iterator[None]:
    """Turn what the disk refuses into a WriteError that names the file and the cure."""
    try:
        yield
    except OSError as error:
        where = error.filename or dataset.root
        hint = next(
            (hint for number, hint in _HINTS.items() if error.errno == number or os.strerror(number) in str(error)),
            "check the disk and the permissions, then run the command again",
        )  # libgit2's errors of the system have no number
        raise WriteError(f"{where}: {error.strerror or error}", hint=hint) from error
