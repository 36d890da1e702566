"""merge3 of a stage's tree: hand edits ride on top of what the stage's function makes anew."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping

import msgspec

from datakit.model.item import CAPTION_EXTENSION, is_image, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.merge import merge_captions
from datakit.repo.dataset import Dataset
from datakit.store.objects import FILE_MODE, Change, Value, diff, edit_tree, entries, files, find
from datakit.tags.names import to_canonical


class Merged(msgspec.Struct, frozen=True):
    """A merged stage tree and the files on which two sides disagree."""

    tree: bytes | None
    conflicts: dict[str, Conflict]
    gone: tuple[str, ...]
    """Captions written by hand that went with their image, since the stage before no longer has it."""


def merge_stage(
    dataset: Dataset, base: bytes | None, ours: bytes | None, theirs: bytes | None, *, previous: Lock | None
) -> Merged:
    """Merge trees of one stage: `base` and `theirs` by the function, `ours` as it stands.

    Costs what people changed, not the size of the stage: `theirs` with the changes base → ours applied.
    """
    made = dict(files(dataset.objects, theirs))
    images = _images_by_key(made)
    edits: dict[str, Value] = {path: entry for path, entry in entries(dataset.objects, ours) if entry.mode != FILE_MODE}
    conflicts: dict[str, Conflict] = {}
    gone: list[str] = []
    changes = sorted(diff(dataset.objects, base, ours), key=lambda change: _is_caption(change.path))
    for path in _removed_again(changes, images):
        edits[path] = None
    for change in changes:
        their = made.get(change.path)
        if their in {change.old, change.new}:
            value = change.new
        else:
            value, clear = _resolve(dataset, change, their)
            if not clear:
                conflicts[change.path] = _conflict(change.new, their)
        if value is not None and their is None and _went_with_image(change, images):
            gone.append(change.path)
            continue
        edits[change.path] = value
        if change.new is not None and is_image(change.path):
            found = _take_place(dataset, change, images, (base, ours), edits)
            if found is not None:
                conflicts[change.path] = found
    tree = edit_tree(dataset.objects, theirs, edits.items())
    return Merged(tree, {**_still_open(dataset, previous, tree), **conflicts}, tuple(gone))


def _removed_again(changes: list[Change], images: dict[str, dict[str, bytes]]) -> Iterator[str]:
    """Images of items that a person removed, however their files are called now."""
    kept = {split_path(change.path)[0] for change in changes if change.new and is_image(change.path)}
    for change in changes:
        key = split_path(change.path)[0]
        if change.new is None and is_image(change.path) and key not in kept:
            yield from (path for path in images.get(key, {}) if path != change.path)


def _images_by_key(made: Mapping[str, bytes]) -> dict[str, dict[str, bytes]]:
    """Item key → its images as path → blob."""
    images: dict[str, dict[str, bytes]] = {}
    for path, blob in made.items():
        if is_image(path):
            images.setdefault(split_path(path)[0], {})[path] = blob
    return images


def _take_place(
    dataset: Dataset,
    change: Change,
    images: dict[str, dict[str, bytes]],
    sides: tuple[bytes | None, bytes | None],
    edits: dict[str, Value],
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


def _resolve(dataset: Dataset, change: Change, their: bytes | None) -> tuple[bytes | None, bool]:
    """Both sides changed the file, differently: (what stands, whether that is clear)."""
    if change.new is None:
        return None, True
    if their is None or not _is_caption(change.path):
        return change.new, _is_caption(change.path)
    sides = [dataset.objects.read(blob) if blob else b"" for blob in (change.old, change.new, their)]
    try:
        base, ours, theirs = (side.decode("utf-8-sig") for side in sides)
    except UnicodeDecodeError:
        return change.new, False
    return dataset.objects.blob(merge_captions(base, ours, theirs, canonical=to_canonical).encode()), True


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
        path: conflict for path, conflict in previous.conflicts.items() if (here.get(path, b"").hex()) == conflict.ours
    }
