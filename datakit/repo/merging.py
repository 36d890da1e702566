"""merge3 of a stage's tree: hand edits ride on top of what the stage's function makes anew."""

from __future__ import annotations

import msgspec

from datakit.model.item import CAPTION_EXTENSION, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.merge import merge_captions
from datakit.repo.dataset import Dataset
from datakit.store.objects import Change, diff, edit_tree, files
from datakit.tags.names import to_canonical


class Merged(msgspec.Struct, frozen=True):
    """A merged stage tree and the files on which two sides disagree."""

    tree: bytes | None
    conflicts: dict[str, Conflict]


def merge_stage(
    dataset: Dataset, base: bytes | None, ours: bytes | None, theirs: bytes | None, *, previous: Lock | None
) -> Merged:
    """Merge trees of one stage: `base` and `theirs` by the function, `ours` as it stands.

    Costs what people changed, not the size of the stage: `theirs` with the changes base → ours applied.
    """
    made = dict(files(dataset.objects, theirs))
    kept_keys = {split_path(path)[0] for path in made if split_path(path)[1] != CAPTION_EXTENSION}
    edits: list[tuple[str, bytes | None]] = []
    conflicts: dict[str, Conflict] = {}
    for change in diff(dataset.objects, base, ours):
        their = made.get(change.path)
        if their in {change.old, change.new}:
            value = change.new
        else:
            value = _resolve(dataset, change, their)
            if change.new is not None and value == change.new and not _is_caption(change.path):
                conflicts[change.path] = _conflict(change.new, their)
        if value is not None and their is None and _went_with_image(change, kept_keys):
            continue
        edits.append((change.path, value))
    tree = edit_tree(dataset.objects, theirs, edits)
    return Merged(tree, {**_still_open(dataset, previous, tree), **conflicts})


def _is_caption(path: str) -> bool:
    return split_path(path)[1] == CAPTION_EXTENSION


def _resolve(dataset: Dataset, change: Change, their: bytes | None) -> bytes | None:
    """Both sides changed the file, differently."""
    if change.new is None or their is None or not _is_caption(change.path):
        return change.new
    read = dataset.objects.read
    base = read(change.old).decode("utf-8", "replace") if change.old else ""
    ours, theirs = read(change.new).decode("utf-8", "replace"), read(their).decode("utf-8", "replace")
    return dataset.objects.blob(merge_captions(base, ours, theirs, canonical=to_canonical).encode())


def _went_with_image(change: Change, kept_keys: set[str]) -> bool:
    """Whether this is the caption of an item that the stage before no longer has."""
    return change.old is not None and _is_caption(change.path) and split_path(change.path)[0] not in kept_keys


def _conflict(ours: bytes | None, theirs: bytes | None) -> Conflict:
    return Conflict(ours=ours.hex() if ours else "", theirs=theirs.hex() if theirs else "")


def _still_open(dataset: Dataset, previous: Lock | None, tree: bytes | None) -> dict[str, Conflict]:
    """Earlier conflicts on files that nobody touched since."""
    if previous is None or not previous.conflicts:
        return {}
    here = dict(files(dataset.objects, tree))
    return {
        path: conflict
        for path, conflict in previous.conflicts.items()
        if (here.get(path, b"").hex()) == conflict.ours
    }
