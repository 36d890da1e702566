"""The way back from a HEAD on a branch that does not exist: what stands in the work tree is of other branches."""

from __future__ import annotations

import os

import pygit2

from datakit.errors import StateError
from datakit.repo.dataset import HEADS, Dataset
from datakit.repo.stagetree import TreeView
from datakit.repo.worktree.scan import scan
from datakit.store.objects import edit_tree


def standing_tree(dataset: Dataset, name: str) -> bytes | None:
    """The tree to leave when HEAD goes to the branch `name`: what stands there otherwise, and is of some branch.

    Raises:
        StateError: a file is as on no branch, so nobody would have it afterwards.
    """
    tips = [dataset.repo.branches.local[one].peel(pygit2.Commit) for one in sorted(dataset.repo.branches.local)]
    views = [TreeView(dataset, bytes(tip.tree_id.raw)) for tip in tips]
    target = TreeView(dataset, bytes(dataset.repo.branches.local[name].peel(pygit2.Commit).tree_id.raw))
    found = scan(dataset)
    rows: list[tuple[str, bytes | None]] = []
    for edit in found.edits:
        if edit.new is None or edit.new == target.blob(edit.path):
            continue
        if all(view.blob(edit.path) != edit.new for view in views):
            raise StateError(
                f"{edit.path} is as on no branch, and would belong to none",
                hint=f"git symbolic-ref HEAD {HEADS}{name} makes it a hand edit of {name}",
            )
        rows.append((edit.path, edit.new))
    for path, blob in found.index.lines.blobs().items():  # lines of files that are not there go too
        if not os.path.lexists(dataset.root / path) and target.blob(path) != blob:
            rows.append((path, blob))
    return edit_tree(dataset.objects, None, rows) if rows else None
