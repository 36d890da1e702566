"""Good copies of damaged git objects: in the other copies of the dataset that lie on this computer's disks."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from typing import Final

import pygit2

from datakit.repo.branches.remotes import local_folder
from datakit.repo.care.damage import Look
from datakit.repo.dataset import Dataset

_KINDS: Final = {1: "commit", 2: "tree", 3: "blob", 4: "tag"}


def supply_from_copies(dataset: Dataset, found: Look) -> None:
    """Find what is damaged or missing here, and stands nowhere else here, in the remotes that are folders."""
    for odb in _others(dataset):
        for oid in found.walk.bad.keys() - found.supplies.keys():
            with contextlib.suppress(KeyError, ValueError, pygit2.GitError):
                number, data = odb.read(pygit2.Oid(raw=oid))
                kind = _KINDS[int(number)]
                if hashlib.sha1(b"%s %d\0" % (kind.encode(), len(data)) + data).digest() == oid:
                    found.supplies[oid] = kind, data
                    found.from_copies.add(oid)


def _others(dataset: Dataset) -> Iterator[pygit2.Odb]:
    for name in filter(None, dataset.repo.remotes.names()):
        url = dataset.repo.remotes[name].url
        folder = local_folder(url, dataset.root) if url else None
        if folder is not None:
            yield pygit2.Odb(str(folder / "objects"))
