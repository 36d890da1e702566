"""dsk clone, dsk push, dsk pull: one dataset in several places."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import msgspec
import pygit2

from datakit.actions.project import Project
from datakit.config import CONFIG_NAME
from datakit.errors import DskError, InputError, RepositoryError, StateError
from datakit.model.progress import Progress, silent
from datakit.repo.branches.merging import BranchMerge, merge_branch
from datakit.repo.branches.remotes import (
    fetch_commits,
    fetch_images,
    local_tips,
    push_branch,
    require_repository,
    run_git,
    send_images,
    url_of,
)
from datakit.repo.dataset import Dataset
from datakit.repo.operations.steps import Step, announce, disk_errors, take_step
from datakit.repo.operations.transaction import Transaction, fill_in, held, session
from datakit.repo.oplog import MERGE
from datakit.repo.worktree.checkout import refuse_obstacles
from datakit.repo.worktree.scan import scan
from datakit.store.durable import sync_filesystems
from datakit.store.objects import find
from datakit.store.transfer import Transferred

_ORIGIN = "origin"


class Exchanged(msgspec.Struct, frozen=True, kw_only=True):
    """What a clone, a pull or a push did."""

    root: str
    branch: str
    remote: str
    """Address of the other copy."""
    commit: str
    """Where the branch stands now."""
    images: Transferred
    is_new: bool = True
    """Whether there was anything to bring."""
    merged: BranchMerge | None = None
    """Where both copies had operations of their own."""


def clone(source: str, folder: Path, *, progress: Progress = silent) -> Exchanged:
    """Copy a dataset: its history, and the images of the branch that it stands on.

    Raises:
        InputError: no repository there, or none of a dataset; `folder` is there already.
        RepositoryError: git failed.
    """
    require_repository(source)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: is there already", hint="choose a new folder")
    was_there = folder.exists()
    address = str(Path(source).expanduser().absolute()) if Path(source).expanduser().exists() else source
    run_git("clone", "-q", "--no-checkout", "-o", _ORIGIN, "--", address, str(folder))
    dataset = Dataset(folder.absolute(), pygit2.Repository(str(folder)))
    try:
        _choose_branch(dataset)
        tree = _checked_tree(dataset, source)
    except DskError:
        shutil.rmtree(folder)
        if was_there:
            folder.mkdir()
        raise
    return _filled(dataset, address, source, tree, progress)


def _filled(dataset: Dataset, address: str, source: str, tree: bytes, progress: Progress) -> Exchanged:
    """Bring the images and write the files; cut short, the next command writes what there is."""
    with held(dataset):
        dataset.prepare()
        head = dataset.head or b""
        step = Step(None, head, None, tree, f"clone: {source}")
        announce(dataset, step)
        tell = partial(_tell, progress)
        images = fetch_images(dataset, _ORIGIN, address, head, known=(), tell=tell)
        with disk_errors(dataset):
            sync_filesystems(dataset.objects_folder, dataset.lfs.folder)
            take_step(dataset, step)
    return _exchanged(dataset, address, images)


def _tell(progress: Progress, number: int, total: int) -> None:
    progress("images", number, total)


def _choose_branch(dataset: Dataset) -> None:
    """Stand on main, or the only branch, where the source stands on one that does not exist: a new bare repository."""
    theirs = dataset.repo.branches.remote
    names = [name for name in theirs if name.startswith(f"{_ORIGIN}/") and name != f"{_ORIGIN}/HEAD"]
    names = [name for name in names if name == f"{_ORIGIN}/main"] or names
    if dataset.repo.head_is_unborn and len(names) == 1:
        name = names[0].partition("/")[2]
        made = dataset.repo.branches.local.create(name, theirs[names[0]].peel(pygit2.Commit))
        made.upstream = theirs[names[0]]
        dataset.repo.set_head(made.name)


def _checked_tree(dataset: Dataset, source: str) -> bytes:
    """The tree that a clone is to show.

    Raises:
        InputError: it is no dataset's.
        RepositoryError: it names a path that leads out of the dataset, or belongs to no branch.
    """
    if dataset.repo.head_is_detached:
        raise RepositoryError(f"{source}: stands on no branch, so a clone would too", hint="dsk switch main over there")
    tree = dataset.head_tree
    if tree is None or find(dataset.objects, tree, CONFIG_NAME) is None:
        raise InputError(f"{source}: no dataset, its branch has no {CONFIG_NAME}", hint="dsk init begins one")
    refuse_obstacles(dataset, None, tree)
    return tree


def push(project: Project, remote: str = "", *, progress: Progress = silent) -> Exchanged:
    """Send the branch that HEAD stands on to another copy: images first, then commits; hand edits become an operation.

    Raises:
        StateError: the other copy has operations that are not here, or the images cannot be sent.
        RepositoryError: git failed.
    """
    dataset = project.dataset
    remote = remote or _upstream(dataset)[0]
    address = url_of(dataset, remote)
    remote = _name_or(dataset, remote, address)
    with session(dataset):
        branch = dataset.branch_ref.removeprefix("refs/heads/")
        images = send_images(dataset, remote, address, branch, partial(_tell, progress))
        if images.missing:
            raise StateError(
                f"{len(images.missing):,} images cannot be sent to {address}: git-lfs is not installed, "
                "or they are not in this clone",
                hint="install git-lfs, or dsk pull from a copy that has them",
            )
        push_branch(dataset, remote, branch)
    return _exchanged(dataset, address, images)


def pull(project: Project, remote: str = "", *, prefer: str = "", progress: Progress = silent) -> Exchanged:
    """Take over what another copy's branch of the same name has; where both have something new, by dsk merge.

    Raises:
        StateError: no other copy is known; or both changed the same setting, and `prefer` does not decide.
        RepositoryError: git failed.
    """
    dataset = project.dataset
    remote, branch = (remote, "") if remote else _upstream(dataset)
    address = url_of(dataset, remote)
    remote = _name_or(dataset, remote, address)
    branch = branch or dataset.branch_ref.removeprefix("refs/heads/")
    with session(dataset):
        before, merged = dataset.head, None
        known = () if scan(dataset).bare else local_tips(dataset)
        theirs = fetch_commits(dataset, remote, branch)
        images = fetch_images(dataset, remote, address, theirs, known=known, tell=partial(_tell, progress))
        if not _has(dataset, before, theirs):
            if before is None or _has(dataset, theirs, before):
                _go_ahead(dataset, theirs, f"pull: {remote}")
            else:
                txn = Transaction(dataset, MERGE, {"branch": f"{remote}/{branch}", "prefer": prefer})
                merged = merge_branch(txn, theirs, f"{remote}/{branch}", prefer=prefer)
        fill_in(dataset, scan(dataset).bare)
    return _exchanged(dataset, address, images, is_new=dataset.head != before, merged=merged)


def _name_or(dataset: Dataset, remote: str, address: str) -> str:
    return remote if remote in list(dataset.repo.remotes.names()) else address


def _has(dataset: Dataset, commit: bytes | None, other: bytes) -> bool:
    """Whether `other` is `commit`, or lies before it."""
    if commit is None:
        return False
    return commit == other or dataset.repo.descendant_of(pygit2.Oid(raw=commit), pygit2.Oid(raw=other))


def _go_ahead(dataset: Dataset, new: bytes, subject: str) -> None:
    """Let the branch, which has nothing of its own, move on to a commit of the same line."""
    tree = dataset.tree_of(new)
    with disk_errors(dataset):
        if tree is not None:
            refuse_obstacles(dataset, dataset.head_tree, tree)
        sync_filesystems(dataset.objects_folder, dataset.lfs.folder)
        take_step(dataset, Step(dataset.head, new, dataset.head_tree, tree, subject))


def _upstream(dataset: Dataset) -> tuple[str, str]:
    """(Remote, branch over there) that the branch follows; the only remote, or origin, where it follows none."""
    name = dataset.branch_ref.removeprefix("refs/heads/")
    config = dataset.repo.config
    if f"branch.{name}.remote" in config and f"branch.{name}.merge" in config:
        return str(config[f"branch.{name}.remote"]), str(config[f"branch.{name}.merge"]).removeprefix("refs/heads/")
    names = [remote for remote in dataset.repo.remotes.names() if remote]
    if len(names) == 1 or _ORIGIN in names:
        return (_ORIGIN if _ORIGIN in names else names[0]), name
    if names:
        raise RepositoryError(f"several copies are known: {', '.join(names)}", hint=f"name one: dsk push {names[0]}")
    return "", name


def _exchanged(
    dataset: Dataset, address: str, images: Transferred, *, is_new: bool = True, merged: BranchMerge | None = None
) -> Exchanged:
    return Exchanged(
        root=str(dataset.root),
        branch=dataset.branch_ref.removeprefix("refs/heads/"),
        remote=address,
        commit=dataset.head.hex() if dataset.head else "",
        images=images,
        is_new=is_new,
        merged=merged,
    )
