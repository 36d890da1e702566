"""Captions that people edited since the last operation, as a table over the others."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from datakit.model.item import CAPTION_EXTENSION
from datakit.repo.dataset import Dataset
from datakit.repo.finding.building import pack
from datakit.repo.finding.facts import decode_caption, read_facts, read_with_stat
from datakit.repo.finding.looking import table_path
from datakit.repo.finding.segment import Part, Segment, write_segment
from datakit.repo.worktree.look import blob_id

_MANY_PROVEN: Final = 256
"""Captions that have another time and the same content: from so many on, their times are remembered."""


def edited_segment(
    dataset: Dataset, parts: Sequence[Part], suspects: Sequence[Iterable[int]], new: Iterable[str]
) -> Segment | None:
    """A table of the items whose caption is another one in the work tree; None where there is none.

    `suspects` are rows of each part whose file differs in its stat, `new` keys of captions that no part has.
    """
    texts: dict[str, str | None] = {}
    head = parts[-1].segment.head
    for part, rows in zip(parts, suspects, strict=True):
        texts |= _other_captions(dataset, part.segment, rows)
    for key in new:
        if any((row := part.segment.row(key)) is not None and part.has(row) for part in parts):
            data, _ = read_with_stat(dataset.root / head.stage / f"{key}.{CAPTION_EXTENSION}", 0)
            texts |= {key: decode_caption(data)} if data is not None else {}
    if not texts:
        return None
    found = [row.with_caption(texts[row.key]) for row in read_facts(dataset, head.stage, head.trees, sorted(texts))]
    return Segment(msgspec.structs.replace(head, num_rows=len(found), sections={}), pack(found))


def _other_captions(dataset: Dataset, segment: Segment, rows: Iterable[int]) -> dict[str, str | None]:
    """Item → its caption as it stands, where that is another one than the table's."""
    stage = segment.head.stage
    found: dict[str, str | None] = {}
    proven: dict[int, tuple[int, int, int]] = {}
    now = time.time_ns()
    for row in rows:
        key = segment.keys[row]
        data, stat = read_with_stat(dataset.root / stage / f"{key}.{CAPTION_EXTENSION}", now)
        if data is None or blob_id(data) != segment.blob("caption", row):
            found[key] = None if data is None else decode_caption(data)
        elif stat[0] >= 0:
            proven[row] = stat
    if len(proven) >= _MANY_PROVEN:
        _remember(dataset, segment, proven)
    return found


def _remember(dataset: Dataset, segment: Segment, proven: dict[int, tuple[int, int, int]]) -> None:
    """Note the stat of captions that were found to be unchanged."""
    sections = {name: bytes(segment.section(name)) for name in segment.head.sections}
    for at, (name, code) in enumerate((("stat:time", "q"), ("stat:size", "q"), ("stat:inode", "Q"))):
        data = bytearray(sections.get(name, b""))
        with memoryview(data).cast(code) as numbers:  # type: ignore[call-overload]
            for row, stat in proven.items():
                numbers[row] = stat[at]
        sections[name] = bytes(data)
    kind = "changes" if segment.head.base else "base"
    if sections and kind == "base":
        write_segment(table_path(dataset.private, segment.head.stage, kind), segment.head, sections)
