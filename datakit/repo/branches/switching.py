"""Branches: experiments beside each other, and moving between them without losing anything."""

from __future__ import annotations

import os

import msgspec
import pygit2

from datakit.errors import DskError, StateError, UsageError, WriteError
from datakit.registry import nearest
from datakit.repo.branches.astray import standing_tree
from datakit.repo.dataset import Dataset
from datakit.repo.operations.steps import Step, disk_errors, take_step
from datakit.repo.operations.transaction import held, session
from datakit.repo.oplog import read_operation
from datakit.repo.worktree.checkout import refuse_obstacles
from datakit.repo.worktree.scan import scan

_HEADS = "refs/heads/"


class Branch(msgspec.Struct, frozen=True, kw_only=True):
    """One branch and its newest operation."""

    name: str
    is_current: bool
    commit: str
    subject: str
    time: int
    """Unix seconds."""


def list_branches(dataset: Dataset) -> list[Branch]:
    """Every branch, by name."""
    return [_branch(dataset, name) for name in sorted(dataset.repo.branches.local)]


def _branch(dataset: Dataset, name: str) -> Branch:
    reference = dataset.repo.branches.local[name]
    newest = read_operation(dataset, _tip(reference))
    return Branch(
        name=name,
        is_current=reference.is_head(),
        commit=newest.commit,
        subject=newest.subject,
        time=newest.time,
    )


def _tip(branch: pygit2.Branch) -> bytes:
    return bytes(branch.peel(pygit2.Commit).id.raw)


def create_branch(dataset: Dataset, name: str, commit: bytes) -> Branch:
    """Begin a branch at a commit; the work tree stays.

    Raises:
        UsageError: no name for a branch, or a taken one.
    """
    _check_free(dataset, name)
    heads = dataset.objects_folder.parent / "refs/heads"
    if not os.access(heads, os.W_OK):
        raise WriteError(f"{heads}: not writable", hint="the dataset's folder must be writable")
    try:
        dataset.repo.branches.local.create(name, dataset.commit(commit))
    except (pygit2.GitError, ValueError) as error:
        raise WriteError(f"branch '{name}': git cannot make it: {error}", hint="check the disk") from error
    return _branch(dataset, name)


def _check_free(dataset: Dataset, name: str) -> None:
    if not pygit2.reference_is_valid_name(_HEADS + name) or name.startswith("-") or name == "HEAD":
        raise UsageError(f"'{name}' is no name for a branch", hint="letters, digits, - and / are always right")
    taken = {known.casefold(): known for known in dataset.repo.branches.local}
    holder = taken.get(name.casefold())
    if holder is not None:
        raise UsageError(f"branch '{holder}' exists", hint=f"dsk switch {holder}")
    parents = [name[:at] for at, letter in enumerate(name) if letter == "/"]
    for other in taken.values():
        if other in parents or other.startswith(f"{name}/"):
            raise UsageError(f"'{name}' cannot be beside branch '{other}': git keeps them as folders and files")


def delete_branch(dataset: Dataset, name: str, *, force: bool = False) -> Branch:
    """Forget a branch; returns what it was.

    Raises:
        UsageError: no such branch, or the one that HEAD stands on.
        StateError: operations are on no other branch, and `force` is not given.
    """
    found = _branch(dataset, _known(dataset, name, hint="dsk branch lists them"))
    if found.is_current:
        raise UsageError(f"'{name}' is the branch you are on", hint="dsk switch to another one first")
    alone = _only_here(dataset, found)
    if alone and not force:
        operations = "operation that is" if alone == 1 else "operations that are"
        raise StateError(
            f"branch '{name}' has {alone} {operations} on no other branch",
            hint=f"dsk merge {name} takes them over; --force lets go of them (commit {found.commit[:10]})",
        )
    dataset.repo.branches.local[name].delete()
    return found


def _only_here(dataset: Dataset, branch: Branch) -> int:
    """How many commits no other branch, tag or remote branch has."""
    walker = dataset.repo.walk(pygit2.Oid(hex=branch.commit))
    own = _HEADS + branch.name
    for name in dataset.repo.references:
        if name != own and not name.startswith("refs/stash"):
            target = dataset.repo.references[name].resolve().peel()
            walker.hide(target.id)
    walker.simplify_first_parent()
    return sum(1 for _ in walker)


def is_on_a_branch(dataset: Dataset, commit: bytes) -> bool:
    """Whether a branch, tag or remote branch still leads to a commit."""
    wanted = pygit2.Oid(raw=commit)
    tips = (dataset.repo.references[name].resolve().peel().id for name in dataset.repo.references)
    return any(tip == wanted or dataset.repo.descendant_of(tip, wanted) for tip in tips)


def _follow(dataset: Dataset, name: str) -> None:
    """Begin the branch that another copy has under this name, where there is none here."""
    if name in dataset.repo.branches.local:
        return
    found = [one for one in dataset.repo.branches.remote if one.partition("/")[2] == name and name != "HEAD"]
    if len(found) == 1:
        theirs = dataset.repo.branches.remote[found[0]]
        made = create_branch(dataset, name, bytes(theirs.peel(pygit2.Commit).id.raw))
        dataset.repo.branches.local[made.name].upstream = theirs


def _known(dataset: Dataset, name: str, *, hint: str) -> str:
    names = list(dataset.repo.branches.local)
    if name not in names:
        like = nearest(name, names)
        raise UsageError(f"no branch '{name}'", hint=f"did you mean '{like}'?" if like else hint)
    return name


def switch_branch(dataset: Dataset, name: str) -> Branch:
    """Go to another branch; hand edits are committed on the one that is left, as an operation.

    A branch that only one other copy has is begun here, and follows that one.

    Raises:
        UsageError: no such branch.
        StateError: HEAD stands on no branch, and there are hand edits that would belong to none.
    """
    _follow(dataset, name)
    _known(dataset, name, hint=f"dsk switch -c {name} begins it")
    if dataset.repo.head_is_detached:
        with held(dataset):
            _refuse_homeless_edits(dataset)
            _move(dataset, name)
    elif dataset.astray:
        with held(dataset):
            _move(dataset, name, found=standing_tree(dataset, name))
    else:
        with session(dataset):
            _move(dataset, name)
    return _branch(dataset, name)


def begin_branch(dataset: Dataset, name: str, commit: bytes | None = None) -> Branch:
    """Make a branch, at a commit or here, and go to it.

    From a HEAD that stands on no branch, hand edits come along: the next operation commits them.

    Raises:
        UsageError: no name for a branch, or a taken one.
    """
    _check_free(dataset, name)
    homeless = dataset.repo.head_is_detached and commit is None
    with held(dataset) if homeless else session(dataset):
        start = commit or dataset.head
        if start is None:
            raise StateError(f"{dataset.root}: nothing is committed yet", hint="dsk init")
        create_branch(dataset, name, start)
        try:
            _move(dataset, name)
        except DskError:
            dataset.repo.branches.local[name].delete()
            raise
    return _branch(dataset, name)


def _refuse_homeless_edits(dataset: Dataset) -> None:
    found = scan(dataset)
    if found.edits:
        raise StateError(
            f"HEAD stands on no branch, and {found.edits[0].path} was edited, which would belong to none",
            hint="dsk switch -c NAME keeps your edits on a new branch",
        )


def _move(dataset: Dataset, name: str, *, found: bytes | None = None) -> None:
    """Let HEAD, index and work tree go to a branch; the caller holds the dataset, its hand edits saved.

    `found` is the tree that stands in the work tree where HEAD has none.
    """
    reference = dataset.repo.branches.local[name]
    if reference.is_head():
        return
    new = _tip(reference)
    found, made = found or dataset.head_tree, dataset.tree_of(new)
    with disk_errors(dataset):
        dataset.objects.flush()
        if made is not None:
            refuse_obstacles(dataset, found, made)
        take_step(dataset, Step(dataset.head, new, found, made, f"switch: {name}", _HEADS + name))
