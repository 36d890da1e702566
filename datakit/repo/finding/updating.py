"""Bringing the index of a stage up to date: what changed beside the base, or a new base."""

from __future__ import annotations

from typing import Final

import msgspec

from datakit.model.item import LOCK_NAME, split_path
from datakit.model.progress import Progress
from datakit.repo.dataset import Dataset
from datakit.repo.finding.building import pack
from datakit.repo.finding.facts import read_facts
from datakit.repo.finding.looking import table_path, times_of
from datakit.repo.finding.segment import Head, Segment, read_segment, whole, write_segment
from datakit.store.collector import without_collector
from datakit.store.objects import diff

_FEW: Final = 2000
_FRACTION: Final = 4
"""What changed is kept beside the base until it is more than a few rows, and more than this part of them."""


def brought_up_to_date(
    dataset: Dataset, stage: str, trees: tuple[str, str], base: Segment | None, progress: Progress
) -> list[Segment]:
    """The tables of a stage: the base alone, made anew, or the old one and what changed since."""
    keys = _changed_keys(dataset, base.head.trees, trees) if base is not None and base.head.stage == stage else None
    if base is None or keys is None or len(keys) > max(_FEW, base.num_rows // _FRACTION):
        return [_build(dataset, stage, trees, progress)]
    rows = read_facts(dataset, stage, trees, keys, progress=progress)
    captioned = [key for key in whole(base).captioned() if key not in keys]
    captioned += [row.key for row in rows if row.caption_blob]
    times = times_of(dataset.root, stage, captioned, [*base.keys, *(row.key for row in rows)])
    head = Head(stage=stage, trees=trees, num_rows=len(rows), base=base.name)
    return [base, _kept(dataset, head, pack(rows, gone=sorted(keys), folders=times), "changes")]


def _build(dataset: Dataset, stage: str, trees: tuple[str, str], progress: Progress) -> Segment:
    with without_collector():
        rows = read_facts(dataset, stage, trees, progress=progress)
        times = times_of(dataset.root, stage, (row.key for row in rows if row.caption_blob), (row.key for row in rows))
        return _kept(dataset, Head(stage=stage, trees=trees, num_rows=len(rows)), pack(rows, folders=times), "base")


def _kept(dataset: Dataset, head: Head, sections: dict[str, bytes], kind: str) -> Segment:
    path = table_path(dataset.private, head.stage, kind)
    write_segment(path, head, sections)
    read = read_segment(path)
    is_written = read is not None and msgspec.structs.replace(read.head, sections={}) == head
    return read if read is not None and is_written else Segment(head, sections)


def _changed_keys(dataset: Dataset, before: tuple[str, str], after: tuple[str, str]) -> set[str] | None:
    """Items of which a file differs; None where the trees are no longer there."""
    found: set[str] = set()
    for old, new in zip(before, after, strict=True):
        left, right = (bytes.fromhex(tree) or None for tree in (old, new))
        if not all(dataset.objects.has(tree) for tree in (left, right) if tree):
            return None
        paths = (change.path for change in diff(dataset.objects, left, right))
        found.update(split_path(path)[0] for path in paths if path != LOCK_NAME)
    return found
