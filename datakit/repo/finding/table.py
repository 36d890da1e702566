"""Opening the index of a stage: the base that is kept, what changed since, and what people edited by hand."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.finding.looking import BegunLook, changed_rows, new_captions, table_path
from datakit.repo.finding.segment import Damaged, Late, Part, Segment, keys_in, read_segment, whole
from datakit.store.objects import TREE_MODE, find
from datakit.tags.query.evaluating import bits_at, evaluate, rows_of
from datakit.tags.query.parsing import Node

T = TypeVar("T")


class Table:
    """The items of a stage with their captions as they stand."""

    def __init__(self, parts: Sequence[Part], *, num_edited: int) -> None:
        self.parts = [part for part in parts if part.alive]
        self.num_edited = num_edited
        """Captions that people edited since the last operation."""

    def find(self, node: Node) -> list[str]:
        """Keys of the items that a query finds, sorted."""
        return sorted(key for part, bits in self.bits(node) for key in keys_in(part.segment, bits))

    def bits(self, node: Node) -> Iterator[tuple[Part, int]]:
        """Each part with those of its rows that a query finds."""
        return ((part, evaluate(node, part.segment, part.alive)) for part in self.parts)

    @property
    def num_rows(self) -> int:
        """How many items there are."""
        return sum(part.alive.bit_count() for part in self.parts)


class Place(NamedTuple):
    """Which items are meant."""

    root: bytes | None
    """The dataset's tree."""
    stage: str
    begun: BegunLook | None = None
    """A look at the work tree that began before the dataset was opened."""
    looks: bool = True
    """Whether captions are taken as they stand in the work tree, not as they are in the tree."""
    progress: Progress = silent


def with_table(dataset: Dataset, place: Place, work: Callable[[Table], T], *, late: Late | None = None) -> T:
    """Do something with the items of a stage; what is kept of them in `.dsk/find` is brought up to date first.

    Where that turns out to be damaged, it is made anew.
    """
    try:
        return work(_open(dataset, place, late))
    except Damaged:
        for kind in ("base", "changes"):
            with contextlib.suppress(OSError):
                table_path(dataset.private, place.stage, kind).unlink(missing_ok=True)
        return work(_open(dataset, place._replace(begun=None), late))


def _open(dataset: Dataset, place: Place, late: Late | None) -> Table:
    trees = (_tree(dataset, place.root, place.stage), _tree(dataset, place.root, RAW))
    segments = _segments(dataset, place.stage, trees, place.progress)
    parts = [whole(segment) for segment in segments]
    if len(segments) > 1:
        parts[0] = parts[0].without(segments[1].texts("gone"))
    num_edited = 0
    if place.looks:
        parts, num_edited = _with_edits(dataset, parts, place.begun)
    for part in parts:
        part.segment.ask_late = late
    return Table(parts, num_edited=num_edited)


def _tree(dataset: Dataset, root: bytes | None, stage: str) -> str:
    entry = find(dataset.objects, root, stage) if root else None
    return entry.oid.hex() if entry is not None and entry.mode == TREE_MODE else ""


def _segments(dataset: Dataset, stage: str, trees: tuple[str, str], progress: Progress) -> Sequence[Segment]:
    """The base, and what changed since."""
    base = read_segment(table_path(dataset.private, stage, "base"))
    if base is not None and base.head.stage == stage:
        if base.head.trees == trees:
            return [base]
        kept = read_segment(table_path(dataset.private, stage, "changes"))
        if kept is not None and (kept.head.base, kept.head.trees) == (base.name, trees):
            return [base, kept]
    from datakit.repo.finding.updating import brought_up_to_date  # which most queries do not need

    return brought_up_to_date(dataset, stage, trees, base, progress)


def _with_edits(dataset: Dataset, parts: list[Part], begun: BegunLook | None) -> tuple[list[Part], int]:
    """With the captions that people edited since the last operation as a table of its own, and their number."""
    newest = parts[-1].segment
    stage = newest.head.stage
    times = dict(zip(newest.texts("folders"), newest.array("folder-times", "q"), strict=True))
    captioned = (key for part in parts for key in part.captioned())
    changed = (bits_at(changed_rows(dataset.root, part.segment, begun), part.segment.num_rows) for part in parts)
    suspects = [rows_of(rows & part.alive) for part, rows in zip(parts, changed, strict=True)]
    new = new_captions(dataset.root, stage, times, captioned)
    if not new and not any(suspects):
        return parts, 0
    from datakit.repo.finding.handedits import edited_segment

    edited = edited_segment(dataset, parts, suspects, new)
    if edited is None:
        return parts, 0
    return [*(part.without(edited.keys) for part in parts), whole(edited)], edited.num_rows
