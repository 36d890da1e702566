"""merge3 of a stage's tree: hand edits ride on top of what the stage's function makes anew."""

from __future__ import annotations

from collections.abc import Container, Mapping

import msgspec

from datakit.model.item import CAPTION_EXTENSION, is_image, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.merge import merge_captions
from datakit.repo.dataset import Dataset
from datakit.store.objects import Change, diff, edit_tree, files, find
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
    images = _images_by_key(made)
    edits: dict[str, bytes | None] = {}
    conflicts: dict[str, Conflict] = {}
    for change in sorted(diff(dataset.objects, base, ours), key=lambda change: _is_caption(change.path)):
        their = made.get(change.path)
        if their in {change.old, change.new}:
            value = change.new
        else:
            value = _resolve(dataset, change, their)
            if change.new is not None and value == change.new and not _is_caption(change.path):
                conflicts[change.path] = _conflict(change.new, their)
        if value is not None and their is None and _went_with_image(change, images):
            continue
        edits[change.path] = value
        if change.new is not None and is_image(change.path):
            found = _take_place(dataset, change, images, (base, ours), edits)
            if found is not None:
                conflicts[change.path] = found
    tree = edit_tree(dataset.objects, theirs, edits.items())
    return Merged(tree, {**_still_open(dataset, previous, tree), **conflicts})


def _images_by_key(made: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Item key → its images as path → blob."""
    images: dict[str, dict[str, bytes]] = {}
    for path, blob in made.items():
        if is_image(path):
            images.setdefault(split_path(path)[0], {})[path] = blob
    return images


def _take_place(
    dataset: Dataset, change: Change, images: dict[str, dict[str, bytes]],
    sides: tuple[bytes | None, bytes | None], edits: dict[str, bytes | None],
) -> Conflict | None:
    """Let our image stand for the item: theirs under another extension goes, and our caption stays with it.

    `sides` are the trees of base and ours. Returns the conflict, where theirs is new.
    """
    base, ours = sides
    key = split_path(change.path)[0]
    conflict: Conflict | None = None
    for path, blob in images.get(key, {}).items():
        if path != change.path and _blob_at(dataset, ours, path) is None:
            edits[path] = None
            if _blob_at(dataset, base, path) != blob:
                conflict = _conflict(change.new, blob)
    if key not in images:
        images[key] = {}
        caption = f"{key}.{CAPTION_EXTENSION}"
        edits[caption] = _blob_at(dataset, ours, caption)
    return conflict


def _blob_at(dataset: Dataset, tree: bytes | None, path: str) -> bytes | None:
    entry = find(dataset.objects, tree, path) if tree else None
    return entry.oid if entry else None


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


def _went_with_image(change: Change, kept: Container[str]) -> bool:
    """Whether this is the caption of an item that neither the stage before nor a person keeps."""
    return change.old is not None and _is_caption(change.path) and split_path(change.path)[0] not in kept


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
