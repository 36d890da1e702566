"""Looking for captions that were edited by hand: every caption's stat against the one that the table remembers."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

from datakit.config import CONFIG_NAME
from datakit.model.item import CAPTION_EXTENSION, concept_of
from datakit.model.order import ORDER
from datakit.repo.finding.segment import Damaged, Segment, read_segment
from datakit.store.parallel import spread_forked

FOLDER: Final = ".dsk/find"
FORK_AT_LEAST: Final = 20_000
"""Captions from which on several processes look at them."""
_PER_TASK: Final = 4096
_END: Final = f".{CAPTION_EXTENSION}"
_YOUNG_NS: Final = 50_000_000
NO_FILE: Final = -2
"""In the place of a time: the item has no caption."""


class BegunLook(NamedTuple):
    """A look at a stage's captions that other processes have begun."""

    root: Path
    segment: Segment
    rows: Iterator[list[int]]


def table_path(private: Path, stage: str, kind: str) -> Path:
    """Where a table of a stage is kept: the `base`, or what has changed since (`changes`)."""
    return private / "find" / f"{stage}.{kind}"


def begin_look(start: Path, stage: str) -> BegunLook | None:
    """Begin to look at a large stage around `start` while the rest of the program loads; None in a small one.

    Without `stage`, at the last one that was looked through before. Whatever is unusual is left to those who open
    the dataset.
    """
    root = next((folder for folder in (start, *start.parents) if (folder / CONFIG_NAME).is_file()), None)
    if root is None:
        return None
    for name in (stage,) if stage else reversed(ORDER):
        segment = read_segment(root / FOLDER / f"{name}.base")
        if segment is not None and segment.head.stage == name:
            try:
                return BegunLook(root, segment, _looks(root, segment)) if segment.num_rows >= FORK_AT_LEAST else None
            except Damaged:
                return None
    return None


def changed_rows(root: Path, segment: Segment, begun: BegunLook | None = None) -> Iterator[int]:
    """Rows whose caption's file is not the one that the table knows."""
    if begun is not None and begun.root == root and begun.segment.name == segment.name:
        return chain.from_iterable(begun.rows)
    return chain.from_iterable(_looks(root, segment))


def _looks(root: Path, segment: Segment) -> Iterator[list[int]]:
    looker = _Looker(root / segment.head.stage, segment)
    rows = range(segment.num_rows)
    tasks = [rows[at : at + _PER_TASK] for at in range(0, len(rows), _PER_TASK)]
    return spread_forked(looker.look, tasks, at_least=FORK_AT_LEAST // _PER_TASK, batch=1)


class _Looker:
    """Looks at some rows."""

    def __init__(self, folder: Path, segment: Segment) -> None:
        self._folder = folder
        self._keys = segment.keys
        self._times: memoryview[int] = segment.section("stat:time").cast("q")
        self._sizes: memoryview[int] = segment.section("stat:size").cast("q")
        self._inodes: memoryview[int] = segment.section("stat:inode").cast("Q")

    def look(self, rows: range) -> list[int]:
        """Those of the rows whose caption may be another one than the table's.

        This is where the time goes, hence the plain loop.
        """
        part = slice(rows.start, rows.stop)
        stats = (column[part].tolist() for column in (self._times, self._sizes, self._inodes))
        remembered = zip(rows, self._keys[part], *stats, strict=True)
        found: list[int] = []
        concept, handle, stat = None, -1, os.stat
        try:
            for row, key, time_ns, size, inode in remembered:
                if time_ns == NO_FILE:
                    continue
                folder, _, stem = key.rpartition("/")
                if folder != concept:
                    concept, handle = folder, self._open(folder, handle)
                try:
                    seen = stat(stem + _END, dir_fd=handle, follow_symlinks=False)
                except OSError:
                    found.append(row)
                    continue
                if seen.st_mtime_ns != time_ns or seen.st_size != size or seen.st_ino != inode:
                    found.append(row)
        finally:
            if handle >= 0:
                os.close(handle)
        return found

    def _open(self, folder: str, handle: int) -> int:
        if handle >= 0:
            os.close(handle)
        try:
            return os.open(self._folder / folder, os.O_RDONLY)
        except OSError:
            return -1


def times_of(root: Path, stage: str, captioned: Iterable[str], keys: Iterable[str]) -> dict[str, int]:
    """Folder inside the stage → its modification time, at which it held no other captions than those of `captioned`.

    -1 where it holds others, or the time is too young to prove that it does not.
    """
    known = frozenset(captioned)
    found: dict[str, int] = {}
    now = time.time_ns()
    for folder in dict.fromkeys(map(concept_of, keys)):
        try:
            time_ns = (root / stage / folder).stat().st_mtime_ns
        except OSError:
            continue
        is_proof = now - time_ns >= _YOUNG_NS and known.issuperset(_captions_in(root, stage, folder))
        found[folder] = time_ns if is_proof else -1
    return found


def new_captions(root: Path, stage: str, times: Mapping[str, int], captioned: Iterable[str]) -> list[str]:
    """Keys of captions that stand in the folders, and are not among `captioned`."""
    changed = [folder for folder, time_ns in times.items() if _time_of(root / stage / folder) != time_ns]
    known = frozenset(captioned) if changed else frozenset()
    return [key for folder in changed for key in _captions_in(root, stage, folder) if key not in known]


def _time_of(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0


def _captions_in(root: Path, stage: str, folder: str) -> list[str]:
    try:
        with os.scandir(root / stage / folder) as entries:
            names = [entry.name for entry in entries]
    except OSError:
        return []
    prefix = f"{folder}/" if folder else ""
    return [f"{prefix}{name.removesuffix(_END)}" for name in names if name.endswith(_END) and not name.startswith(".")]
