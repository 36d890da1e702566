"""dsk branch, dsk switch, dsk merge: experiments beside each other."""

from __future__ import annotations

import msgspec

from datakit.actions.project import Project
from datakit.repo.branches import switching
from datakit.repo.branches.merging import BranchMerge, merge_branch
from datakit.repo.branches.switching import Branch
from datakit.repo.operations.transaction import transaction
from datakit.repo.oplog import MERGE
from datakit.repo.revisions import resolve_revision


class Switched(msgspec.Struct, frozen=True, kw_only=True):
    """Where HEAD stands now, and where it stood."""

    branch: Branch
    before: str
    """Name of the branch before, or the commit that HEAD stood on."""
    left_behind: str = ""
    """A commit that no branch has: what was done while HEAD stood on none."""


def branch_at(project: Project, name: str, revision: str) -> Branch:
    """Begin a branch at a revision.

    Raises:
        UsageError: no such revision, or no name for a branch.
    """
    return switching.create_branch(project.dataset, name, resolve_revision(project.dataset, revision))


def switch(project: Project, name: str, *, create: bool = False, revision: str = "") -> Switched:
    """Go to a branch, made here (or at `revision`) where `create` is given.

    Raises:
        UsageError: no such branch or revision; or a taken name, with `create`.
    """
    dataset = project.dataset
    detached = dataset.head.hex() if dataset.repo.head_is_detached and dataset.head else ""
    before = detached[:10] or dataset.branch_ref.removeprefix("refs/heads/")
    if create:
        found = switching.begin_branch(dataset, name, resolve_revision(dataset, revision) if revision else None)
    else:
        found = switching.switch_branch(dataset, name)
    lost = detached if detached and not switching.is_on_a_branch(dataset, bytes.fromhex(detached)) else ""
    return Switched(branch=found, before=before, left_behind=lost)


def merge(project: Project, revision: str, *, prefer: str = "") -> BranchMerge:
    """Bring another branch's work into this one, as one operation.

    Raises:
        UsageError: no such branch, or this one itself.
        StateError: no history in common, or both changed the same setting.
    """
    dataset = project.dataset
    theirs = resolve_revision(dataset, revision, hint="dsk branch lists them")
    with transaction(dataset, MERGE, {"branch": revision, "prefer": prefer}) as txn:
        return merge_branch(txn, theirs, revision, prefer=prefer)
