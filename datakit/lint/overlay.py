"""A collection with changes laid over it, as if they had been made on the disk."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from datakit.lint.collection import Collection
from datakit.lint.model import Change, Delete, Rename, Write
from datakit.model.stage import Look


def overlaid(collection: Collection, changes: Iterable[Change]) -> Collection:
    """The collection after changes with paths relative to it, each of which touches files of its own."""
    written: dict[str, bytes] = {}
    origins: dict[str, str] = {}
    gone: set[str] = set()
    for change in changes:
        match change:
            case Rename(old, new):
                origins[new] = old
                gone.add(old)
            case Write(path, data):
                written[path] = data
            case Delete(path):
                gone.add(path)

    def read(path: str) -> bytes:
        return written[path] if path in written else collection.read(origins.get(path, path))

    def looked(path: str, look: Look) -> Mapping[str, Any]:
        return collection.looked(origins.get(path, path), look)

    scores = collection.scores
    return msgspec.structs.replace(
        collection,
        paths=tuple(sorted(({*collection.paths} - gone) | {*written} | {*origins})),
        read=read,
        looked=looked,
        scores=scores and (lambda path: scores(origins.get(path, path))),
    )
