"""merge3 of a stage's tree: hand edits ride on top of what the stage's function makes anew."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from datakit.model.item import CAPTION_EXTENSION, RECORD_EXTENSION, is_image, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.merge import disputes_prose, merge_captions
from datakit.model.record import encode_json
from datakit.model.refresh import merge_refreshed
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import TreeView
from datakit.store.objects import FILE_MODE, TREE_MODE, Change, Entry, Objects, Value, diff, edit_tree
from datakit.tags.names import to_canonical


class Merged(msgspec.Struct, frozen=True):
    """A merged stage tree and the files on which two sides disagree."""

    tree: bytes | None
    conflicts: dict[str, Conflict]
    gone: tuple[str, ...]
    """Captions written by hand that went with their image, since the stage before no longer has it."""


def merge_stage(
    dataset: Dataset,
    base: bytes | None,
    ours: bytes | None,
    theirs: bytes | None,
    *,
    previous: Lock | None,
    decided: Mapping[str, bool] = MappingProxyType({}),
) -> Merged:
    """Merge trees of one stage: `base` and `theirs` by the function, `ours` as it stands.

    `decided` has the items that a person brought in or took out, which no change of the function's mind overrules.
    Costs what people changed, not the size of the stage: `theirs` with the changes base → ours applied.
    """
    made = TreeView(dataset, theirs)
    sides = TreeView(dataset, base), TreeView(dataset, ours)
    edits: dict[str, Value] = dict(_odd_entries(dataset.objects, base, ours))
    conflicts: dict[str, Conflict] = {}
    gone: list[str] = []
    held = {key for key, stays in decided.items() if stays and sides[1].item(key).images and not made.item(key).images}
    placed = set(held)
    changes = sorted(diff(dataset.objects, base, ours), key=lambda change: _is_caption(change.path))
    for path in _removed_again(changes, made):
        edits[path] = None
    for change in changes:
        their = made.blob(change.path)
        if _went_with_image(change, made, placed):
            gone.append(change.path)
            continue
        value, clear = change.new, True
        if their not in {change.old, change.new}:
            value, clear = _resolve(dataset, change, made, sides[1])
        if not clear:
            conflicts[change.path] = _conflict(value, their)
        edits[change.path] = value
        if change.new is not None and is_image(change.path):
            placed.add(split_path(change.path)[0])
            found = _take_place(change, made, sides, edits)
            if found is not None:
                conflicts[change.path] = found
    for key, stays in decided.items():
        if key in held or not (stays or sides[1].item(key).images):
            edits |= _as_decided(key, sides[1] if stays else None, made)
    tree = edit_tree(dataset.objects, theirs, edits.items())
    open_still = still_open(dataset, previous, tree)
    settled = [path for path in open_still if made.blob(path) == bytes.fromhex(open_still[path].ours)]
    for path in settled:  # the function makes the very same by now
        del open_still[path]
    return Merged(tree, {**open_still, **conflicts}, tuple(gone))


def _as_decided(key: str, ours: TreeView | None, made: TreeView) -> dict[str, Value]:
    """What brings an item in as ours has it, or takes it out (None)."""
    caption = f"{key}.{CAPTION_EXTENSION}"
    if ours is not None:
        return {**ours.item(key).images, caption: ours.blob(caption)}
    return dict.fromkeys([*made.item(key).images, caption])


def _odd_entries(
    objects: Objects, base: bytes | None, ours: bytes | None, prefix: str = ""
) -> Iterator[tuple[str, Entry]]:
    """Links, programs and submodules that people put into the stage; functions make regular files only."""
    if ours is None or base == ours:
        return
    before = objects.tree(base) if base else {}
    for name, entry in objects.tree(ours).items():
        if entry.mode == TREE_MODE:
            old = before.get(name)
            below = old.oid if old and old.mode == TREE_MODE else None
            yield from _odd_entries(objects, below, entry.oid, f"{prefix}{name}/")
        elif entry.mode != FILE_MODE:
            yield f"{prefix}{name}", entry


def _removed_again(changes: list[Change], made: TreeView) -> Iterator[str]:
    """Images of items that a person removed, however their files are called now."""
    kept = {split_path(change.path)[0] for change in changes if change.new and is_image(change.path)}
    for change in changes:
        key = split_path(change.path)[0]
        if change.new is None and is_image(change.path) and key not in kept:
            yield from (path for path in made.item(key).images if path != change.path)


def _take_place(
    change: Change, made: TreeView, sides: tuple[TreeView, TreeView], edits: dict[str, Value]
) -> Conflict | None:
    """Let our image stand for the item: theirs under another extension goes, and our caption stays with it.

    `sides` are base and ours. Returns the conflict, where theirs is new, or gone.
    """
    base, ours = sides
    key = split_path(change.path)[0]
    images = made.item(key).images
    conflict: Conflict | None = None
    for path, blob in images.items():
        if path != change.path and ours.blob(path) is None:
            edits[path] = None
            if base.blob(path) != blob:
                conflict = _conflict(change.new, blob)
    if not images:
        caption = f"{key}.{CAPTION_EXTENSION}"
        edits[caption] = ours.blob(caption)
        if change.old is None and base.item(key).images:
            conflict = _conflict(change.new, None)
    return conflict


def _is_caption(path: str) -> bool:
    return split_path(path)[1] == CAPTION_EXTENSION


def _resolve(dataset: Dataset, change: Change, made: TreeView, ours: TreeView) -> tuple[bytes | None, bool]:
    """Both sides changed the file, differently: (what stands, whether that is clear).

    A caption that one side took away, its image left in place, is a caption without tags.
    """
    if change.path.endswith(f".{RECORD_EXTENSION}"):
        return _resolve_record(dataset, change, made.blob(change.path))
    if not _is_caption(change.path):
        return change.new, change.new is None
    key = split_path(change.path)[0]
    is_item_in_both = bool(made.item(key).images and ours.item(key).images)
    if not is_item_in_both and None in {change.new, made.blob(change.path)}:
        return change.new, True
    sides = [dataset.objects.read(blob) if blob else b"" for blob in (change.old, change.new, made.blob(change.path))]
    try:
        texts = [side.decode("utf-8-sig") for side in sides]
    except UnicodeDecodeError:
        return change.new, False
    merged = merge_captions(*texts, canonical=to_canonical)
    if not merged and None in {change.new, made.blob(change.path)}:
        return None, True
    return dataset.objects.blob(merged.encode()), not disputes_prose(*texts)


def _resolve_record(dataset: Dataset, change: Change, their: bytes | None) -> tuple[bytes | None, bool]:
    """A record that both sides changed, merged by field; what is no record is not looked into."""
    if change.new is None or their is None:
        return change.new, change.new is None
    try:
        sides = [
            msgspec.json.decode(dataset.objects.read(blob), type=dict[str, Any]) if blob else {}
            for blob in (change.old, change.new, their)
        ]
    except msgspec.DecodeError:
        return change.new, False
    merged, disputes = merge_refreshed(*sides)
    return dataset.objects.blob(encode_json(merged)), not disputes


def _went_with_image(change: Change, made: TreeView, placed: Container[str]) -> bool:
    """Whether this caption was edited, and its item is one that neither the stage before nor a person keeps."""
    key = split_path(change.path)[0]
    edited = change.old is not None and change.new is not None and _is_caption(change.path)
    return edited and made.blob(change.path) is None and key not in placed and not made.item(key).images


def _conflict(ours: bytes | None, theirs: bytes | None) -> Conflict:
    return Conflict(ours=ours.hex() if ours else "", theirs=theirs.hex() if theirs else "")


def still_open(dataset: Dataset, previous: Lock | None, tree: bytes | None) -> dict[str, Conflict]:
    """Earlier conflicts on files that nobody touched since."""
    if previous is None or not previous.conflicts:
        return {}
    here = TreeView(dataset, tree)
    return {
        path: conflict
        for path, conflict in previous.conflicts.items()
        if (here.blob(path) or b"").hex() == conflict.ours
    }
