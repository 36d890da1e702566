"""What a bake of the ledger was trained on, found in the history: the export is committed with its manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec
import pygit2

from datakit.actions.bakes.ledger import Bake
from datakit.actions.exporting.manifests import decode_manifest
from datakit.actions.trainerprogram import FORMAT
from datakit.exports.model import MANIFEST_NAME, Manifest
from datakit.model.order import EXPORT
from datakit.repo.dataset import Dataset
from datakit.store.objects import FILE_MODE, find

_FOLDER = f"{EXPORT}/{FORMAT}"


class Exported(msgspec.Struct, frozen=True, kw_only=True):
    """An export as some commit has it."""

    commit: bytes
    """The newest that has it."""
    tree: bytes
    """Of its folder."""
    data: bytes
    """Its manifest, as it is written."""
    manifest: Manifest

    @property
    def sha256(self) -> str:
        """Of the manifest."""
        return hashlib.sha256(self.data).hexdigest()


def export_of(dataset: Dataset, done: Bake) -> Exported | None:
    """The export that a bake was trained on; None where this history does not have it.

    An older ledger file has no hash: there it is the one of the same commit and flags.
    """
    if done.manifest_sha256:
        return export_of_hash(dataset, done.manifest_sha256)
    return _first(dataset, lambda one: one.manifest.commit == done.commit and one.manifest.flags == done.export)


def export_of_hash(dataset: Dataset, sha256: str) -> Exported | None:
    """The export whose manifest has this hash."""
    return _first(dataset, lambda one: one.sha256 == sha256)


def _first(dataset: Dataset, is_it: Callable[[Exported], bool]) -> Exported | None:
    return next((one for one in _exports(dataset) if is_it(one)), None)


def _exports(dataset: Dataset) -> Iterator[Exported]:
    """Every export of the history, of HEAD and then of the other branches, newest first; each once."""
    seen: set[bytes] = set()
    for commit in _commits(dataset):
        root = bytes(commit.tree_id.raw)
        entry = find(dataset.objects, root, f"{_FOLDER}/{MANIFEST_NAME}")
        folder = find(dataset.objects, root, _FOLDER)
        if entry is None or folder is None or entry.mode != FILE_MODE or entry.oid in seen:
            continue
        seen.add(entry.oid)
        data = dataset.objects.read(entry.oid)
        manifest = decode_manifest(data)
        if manifest is not None:
            yield Exported(commit=bytes(commit.id.raw), tree=folder.oid, data=data, manifest=manifest)


def _commits(dataset: Dataset) -> Iterator[pygit2.Commit]:
    repo = dataset.repo
    tips = [repo.head.target] if dataset.head is not None else []
    tips += [repo.branches[name].peel(pygit2.Commit).id for name in repo.branches if not name.endswith("/HEAD")]
    walker = None
    for tip in tips:
        if walker is None:
            walker = repo.walk(tip, pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.TIME)
        else:
            walker.push(tip)
    if walker is not None:
        yield from walker
