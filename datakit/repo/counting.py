"""How much is in a stage's tree, counted once for each folder's content and remembered."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from datakit.model.item import CAPTION_EXTENSION, concept_of, is_image, split_path
from datakit.repo.dataset import Dataset
from datakit.store.objects import FILE_MODE, TREE_MODE, entries

_PREFIX = "count:1:"


class Count(msgspec.Struct, frozen=True):
    """What a folder holds."""

    images: int = 0
    captions: int = 0
    orphans: int = 0
    """Captions without an image of their name."""

    def __add__(self, other: Count) -> Count:
        return Count(self.images + other.images, self.captions + other.captions, self.orphans + other.orphans)


def count_stages(dataset: Dataset, trees: Iterable[bytes | None]) -> list[dict[str, Count]]:
    """For each stage's tree: concept → what it holds. Only folders never seen before are read."""
    folders = [_folders(dataset, tree) for tree in trees]
    wanted = {oid for part in folders for oid in part.values()}
    remembered = dataset.memo.get(f"{_PREFIX}{oid.hex()}" for oid in wanted)
    known = {name: msgspec.msgpack.decode(value, type=dict[str, Count]) for name, value in remembered.items()}
    fresh = {f"{_PREFIX}{oid.hex()}": oid for oid in wanted if f"{_PREFIX}{oid.hex()}" not in known}
    counted = {name: _count(dataset, oid) for name, oid in fresh.items()}
    dataset.memo.put((name, msgspec.msgpack.encode(value)) for name, value in counted.items())
    known |= counted
    return [_joined(part, known) for part in folders]


def concepts_of(dataset: Dataset, tree: bytes | None) -> Collection[str]:
    """Folders of a stage's tree that hold an image."""
    return {concept for concept, count in count_stages(dataset, [tree])[0].items() if count.images}


def _folders(dataset: Dataset, tree: bytes | None) -> dict[str, bytes]:
    """Top folder → tree id; files beside the folders are counted as `''`, a tree of their own."""
    if tree is None:
        return {}
    lines = dataset.objects.tree(tree)
    beside = {name: entry for name, entry in lines.items() if entry.mode == FILE_MODE}
    found = {name: entry.oid for name, entry in lines.items() if entry.mode == TREE_MODE}
    return found | ({"": dataset.objects.put_tree(beside)} if beside else {})


def _count(dataset: Dataset, tree: bytes) -> dict[str, Count]:
    """Folder inside the tree (`''` for itself) → what it holds."""
    images: dict[str, set[str]] = {}
    captions: dict[str, set[str]] = {}
    for path, entry in entries(dataset.objects, tree):
        key, extension = split_path(path)
        if entry.mode == FILE_MODE and is_image(path):
            images.setdefault(concept_of(key), set()).add(key)
        elif entry.mode == FILE_MODE and extension == CAPTION_EXTENSION:
            captions.setdefault(concept_of(key), set()).add(key)
    return {
        folder: Count(
            len(images.get(folder, ())),
            len(captions.get(folder, ())),
            len(captions.get(folder, set()) - images.get(folder, set())),
        )
        for folder in images.keys() | captions.keys()
    }


def _joined(folders: Mapping[str, bytes], known: Mapping[str, Mapping[str, Count]]) -> dict[str, Count]:
    return {
        "/".join(filter(None, (top, inner))): count
        for top, oid in folders.items()
        for inner, count in known[f"{_PREFIX}{oid.hex()}"].items()
    }
