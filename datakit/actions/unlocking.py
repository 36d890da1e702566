"""dsk unlock: images that may be edited in place, without touching the other stages' copies."""

from __future__ import annotations

import os
import stat as stat_module
from collections.abc import Mapping, Sequence

import msgspec

from datakit.actions.project import Project
from datakit.errors import RepositoryError, StateError, UsageError
from datakit.model.item import ImageRef
from datakit.model.order import COMPUTED, WIP, before
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS, item_files, resolve, typed
from datakit.repo.operations.transaction import session
from datakit.repo.stagetree import TreeView, read_lock
from datakit.repo.worktree.checkout import refresh

_MODE = 0o644


class Unlocked(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk unlock` did."""

    paths: tuple[str, ...]
    """Images that are writable now, and share their bytes with nobody."""
    already: tuple[str, ...] = ()
    """Images that were so before."""
    skipped: tuple[str, ...] = ()
    """Items that were meant with others, and have no image there."""


def unlock(project: Project, words: Sequence[str], *, stage: str = "") -> Unlocked:
    """Make items' images in a stage private and writable: the one that a path names, else `stage`, else wip.

    Their content stays, so it is no operation; hand edits that are there become one first, as ever. Of several items,
    those without an image in the stage are left alone.

    Raises:
        UsageError: no such item or stage.
        StateError: the stage has no image of any of the items.
        RepositoryError: the image is not in this clone.
    """
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' to unlock in", hint=hint)
    dataset = project.dataset
    with session(dataset):
        images: dict[str, bytes] = {}
        without: dict[str, str] = {}
        for item in resolve(dataset, dataset.head_tree, words):
            place = stage or item.stage or WIP
            found = item_files(dataset, dataset.head_tree, place, item.key).images
            if not found:
                without[item.key] = place
            images.update({f"{place}/{path}": blob for path, blob in found.items()})
        if not images:
            raise _no_image(dataset, without)
        refs = {path: _checked(dataset, path, blob) for path, blob in images.items()}
        opened = {path: images[path] for path, ref in refs.items() if _open(dataset, path, ref)}
        refresh(dataset, {path: ((dataset.root / path).lstat(), blob) for path, blob in opened.items()})
        already = tuple(path for path in images if path not in opened)
        return Unlocked(paths=tuple(opened), already=already, skipped=tuple(without))


def _no_image(dataset: Dataset, without: Mapping[str, str]) -> StateError:
    """The error of items of which not one has an image in the stage that is meant: key → stage."""
    key, place = next(iter(without.items()))
    told = f"{key} has no image in {place}"
    if len(without) > 1:
        told = f"none of the {len(without):,} items has an image in the stage that is meant: {told}"
    return StateError(told, hint=_cure(dataset, key, place))


def _cure(dataset: Dataset, key: str, stage: str) -> str:
    lock = read_lock(dataset, dataset.head_tree, stage) if stage in COMPUTED else None
    if lock and TreeView(dataset, bytes.fromhex(lock.auto) or None).item(key).images:
        return f"dsk restore {typed(key)} brings it back"
    if stage in COMPUTED and item_files(dataset, dataset.head_tree, before(stage), key).images:
        return f"dsk advance {stage} takes it there"
    return f"dsk why {typed(key)}"


def _checked(dataset: Dataset, path: str, blob: bytes) -> ImageRef:
    ref = dataset.image_ref(path, blob)
    if ref is None or not dataset.lfs.has(ref):
        raise RepositoryError(f"{path}: its image is not in this clone", hint="dsk pull brings it")
    return ref


def _open(dataset: Dataset, path: str, ref: ImageRef) -> bool:
    """Whether anything had to be done."""
    target = dataset.root / path
    stat = target.lstat()
    if stat.st_nlink == 1 and stat_module.S_IMODE(stat.st_mode) & 0o200:
        return False
    if stat.st_nlink > 1:
        dataset.linker.place(dataset.lfs.path(ref.sha256), os.fspath(target), donor=None)
    target.chmod(_MODE)
    return True
