"""Writing a tree into the work tree and the index, never over what somebody saved meanwhile."""

from __future__ import annotations

import contextlib
import itertools
import os
import stat as stat_module
import time
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import NamedTuple

from datakit.errors import WriteError
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.worktree.indexed import is_indexed, note_indexed
from datakit.repo.worktree.pathsafety import refuse_hostile
from datakit.repo.worktree.scan import hash_file
from datakit.store.index import Index, IndexLine, Lines, line_for, locked_index, read_index, unknown_line, write_index
from datakit.store.lfs import MIN_AGE_NS
from datakit.store.objects import Change, diff
from datakit.store.parallel import spread_forked
from datakit.store.streams import create, replace, write_fully

_SERIAL = itertools.count()
_FORK_AT_LEAST = 1000
"""Contents from which on several processes write them."""


def checkout(dataset: Dataset, old: bytes | None, new: bytes | None, index_file: Path) -> None:
    """Bring the work tree and the index from tree `old` to tree `new`; `index_file` is of `locked_index`.

    A file that is neither as in `old` nor as in `new` was changed meanwhile: it stays, and the next operation takes
    it as a hand edit. Running it again after an interruption finishes the work.
    """
    index = read_index(dataset.index_path)
    lines = index.lines
    (dataset.private / "tmp").mkdir(parents=True, exist_ok=True)
    fresh: list[_Fresh] = []
    kept: list[Change] = []
    for change in sorted(diff(dataset.objects, old, new), key=lambda change: (change.new is not None, change.path)):
        seen, found = _content(dataset, index, change)
        if found not in {None, change.old, change.new}:
            kept.append(change)
        elif change.new is None:
            _remove(dataset.root, change.path)
            lines.pop(change.path, None)
        elif seen is None or found != change.new:
            fresh.append(_Fresh(change.path, change.new, seen))
        elif is_stored_as_pointer(change.path) and index.is_current(change.path, seen) is None:
            # The right content, but neither shared nor of a time that git can trust.
            fresh.append(_Fresh(change.path, change.new, seen))
        else:
            lines[change.path] = line_for(seen, change.new)
    kept += _write_files(dataset, fresh, lines)
    for change in kept:
        lines.pop(change.path, None)
        if change.new is not None:
            lines[change.path] = unknown_line(change.new)
    write_index(dataset.index_path, lines, index_file)
    note_indexed(dataset, new if not kept else None)


def refuse_obstacles(dataset: Dataset, old: bytes | None, new: bytes) -> None:
    """Look before the first change whether every folder that is written to is one, inside the dataset.

    Raises:
        RepositoryError: a path leads out of the dataset, or into git's or dsk's own folder.
        WriteError: a file stands in the way, or a symbolic link, behind which nothing may be written or removed.
    """
    needed: dict[str, bool] = {}
    changes = list(diff(dataset.objects, old, new))
    refuse_hostile(change.path for change in changes)
    for change in changes:
        folder = change.path.rpartition("/")[0]
        while folder and not needed.get(folder):
            if folder in needed and change.new is None:
                break
            needed[folder] = change.new is not None
            folder = folder.rpartition("/")[0]
    for folder, is_written in needed.items():
        try:
            mode = (dataset.root / folder).lstat().st_mode
        except (FileNotFoundError, NotADirectoryError):
            continue
        if stat_module.S_ISLNK(mode) or (is_written and not stat_module.S_ISDIR(mode)):
            what = "symbolic link" if stat_module.S_ISLNK(mode) else "file"
            raise WriteError(f"{folder}: a {what} stands where a folder must be", hint="move it out of the dataset")


def refresh(dataset: Dataset, known: Mapping[str, tuple[os.stat_result, bytes]]) -> None:
    """Bring index lines up to date: path → (stat from before its content was read, blob id of that content).

    A file that has another stat by now gets no line, so that the next scan reads it. An image gets a time that git can
    trust.
    """
    if not known:
        return
    with locked_index(dataset.index_path) as index_file:
        lines = read_index(dataset.index_path).lines
        newest_ns = time.time_ns() - MIN_AGE_NS
        unchanged = {path for path, (seen, _) in known.items() if has_stat(f"{dataset.root}/{path}", seen)}
        young = [path for path in unchanged if is_stored_as_pointer(path) and known[path][0].st_mtime_ns > newest_ns]
        for path in young:
            os.utime(dataset.root / path, ns=(newest_ns, newest_ns))
        for path in unchanged:
            stat = (dataset.root / path).lstat()
            if stat.st_size == known[path][0].st_size:
                lines[path] = line_for(stat if path in young else known[path][0], known[path][1])
        write_index(dataset.index_path, lines, index_file)
    if len(unchanged) == len(known):
        note_indexed(dataset, dataset.head_tree)


def rewrite(dataset: Dataset, damaged: Mapping[str, tuple[os.stat_result, bytes]]) -> list[str]:
    """Write files of HEAD anew: path → (stat of what stands there, blob id). Returns those that somebody changed since.

    The index must equal HEAD at those paths; what else has one of their inodes is no source for them.
    """
    with locked_index(dataset.index_path) as index_file:
        was_indexed = dataset.head_tree is not None and is_indexed(dataset, dataset.head_tree)
        lines = read_index(dataset.index_path).lines
        (dataset.private / "tmp").mkdir(parents=True, exist_ok=True)
        old = {path: lines.pop(path) for path in damaged if path in lines}
        kept = _write_files(dataset, [_Fresh(path, blob, seen) for path, (seen, blob) in damaged.items()], lines)
        for change in kept:
            lines[change.path] = old.get(change.path) or unknown_line(damaged[change.path][1])
        write_index(dataset.index_path, lines, index_file)
    if was_indexed:
        note_indexed(dataset, dataset.head_tree)
    return [change.path for change in kept]


def has_stat(target: str, seen: os.stat_result | None) -> bool:
    """Whether what stands at `target` is what was seen there; None: nothing."""
    try:
        now = os.lstat(target)
    except (FileNotFoundError, NotADirectoryError):
        return seen is None
    return seen is not None and (now.st_mtime_ns, now.st_size, now.st_ino) == (
        seen.st_mtime_ns,
        seen.st_size,
        seen.st_ino,
    )


def _content(dataset: Dataset, index: Index, change: Change) -> tuple[os.stat_result | None, bytes | None]:
    """Stat, then blob id, of what stands at a changed path: None where nothing does, b'' for no regular file."""
    try:
        stat = os.lstat(f"{dataset.root}/{change.path}")
    except (FileNotFoundError, NotADirectoryError):
        return None, None
    line = index.is_current(change.path, stat)
    if line is not None:
        return stat, line.oid
    return stat, hash_file(dataset.root, change.path) if stat_module.S_ISREG(stat.st_mode) else b""


def _remove(root: Path, path: str) -> None:
    target = root / path
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        target.unlink()
    for folder in target.parents:
        if folder == root:
            return
        try:
            folder.rmdir()
        except OSError:
            return


class _Fresh(NamedTuple):
    """A file to write: its blob, and what was seen at its path."""

    path: str
    blob: bytes
    seen: os.stat_result | None


def _write_files(dataset: Dataset, fresh: list[_Fresh], lines: Lines) -> list[Change]:
    """Write files on all cores: an image once for each content, its other places shared with it.

    Returns those that were not written, since somebody changed what was seen there.
    """
    groups: dict[bytes, list[_Fresh]] = {}
    for row in fresh:
        groups.setdefault(row.blob, []).append(row)
    donors = _donors(dataset, groups, lines, without={row.path for row in fresh})
    kept: list[Change] = []

    def write(rows: list[_Fresh]) -> list[bytes | None]:
        donor = donors.get(rows[0].blob)
        written: list[bytes | None] = []
        for row in rows:
            target = f"{dataset.root}/{row.path}"
            if not has_stat(target, row.seen):
                written.append(None)
                continue
            ref = dataset.image_ref(row.path, row.blob)
            if ref is not None and dataset.lfs.has(ref):
                stat = dataset.linker.place(dataset.lfs.path(ref.sha256), target, donor=donor).stat
                donor = target
            else:  # a text; or a clone without images, which keeps the pointer's text
                stat = _write_text(dataset, target, dataset.objects.read(row.blob))
            written.append(line_for(stat, row.blob).raw)
        return written

    rows = list(groups.values())
    for group, written in zip(rows, spread_forked(write, rows, at_least=_FORK_AT_LEAST), strict=True):
        for row, line in zip(group, written, strict=True):
            if line is None:
                kept.append(Change(row.path, None, row.blob))
            else:
                lines[row.path] = IndexLine(line)
    return kept


def _write_text(dataset: Dataset, target: str, content: bytes) -> os.stat_result:
    temporary = f"{dataset.private}/tmp/{os.getpid()}-{next(_SERIAL)}-text"
    with create(temporary) as file:
        write_fully(file, memoryview(content))
        stat = os.fstat(file.fileno())
    replace(temporary, target)
    return stat


def _donors(dataset: Dataset, wanted: Collection[bytes], lines: Lines, *, without: Collection[str]) -> dict[bytes, str]:
    """For each wanted blob, one unchanged work-tree image that has it; a writable one is somebody's own copy.

    Paths of `without` are about to get other content, maybe before they would be linked.
    """
    found: dict[bytes, str] = {}
    for path, line in lines.with_blobs(wanted):
        if line.oid not in found and path not in without and is_stored_as_pointer(path):
            target = f"{dataset.root}/{path}"
            try:
                stat = os.lstat(target)
            except OSError:
                continue
            if line.matches(stat) and not stat.st_mode & 0o222:
                found[line.oid] = target
    return found
