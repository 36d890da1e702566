"""dsk export --to: an export in a folder outside the dataset, linked where the disk can, and nothing foreign touched.

The dataset records nothing of it; the manifest beside the files has the commit, the settings and the hashes.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from datakit.actions.exporting import folders, journals
from datakit.actions.exporting.archiving import archive
from datakit.actions.exporting.folders import Source, Standing, Todo, Writer
from datakit.actions.exporting.journals import Left
from datakit.actions.exporting.outside import Elsewhere, Run, Target, refuse_inside
from datakit.actions.linting.preflight import in_words
from datakit.actions.project import Counted, Project
from datakit.exports.asking import NO_FLAGS
from datakit.exports.expressing import some
from datakit.exports.model import EXPORTS, MANIFEST_NAME, Manifest, Pack, encode_manifest
from datakit.exports.settings import Flags
from datakit.model.item import ImageRef
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.operations.transaction import session
from datakit.store.durable import replace_file, sync_filesystem
from datakit.store.index import read_index

__all__ = ["Elsewhere", "Target", "donors_of", "export_elsewhere"]

_EVERY: Final = 64
"""Files between two reports of progress."""


def export_elsewhere(
    project: Project,
    name: str,
    target: Target,
    *,
    flags: Flags = NO_FLAGS,
    force: bool = False,
    progress: Progress = silent,
) -> Elsewhere | None:
    """Write one format into a folder outside the dataset, changing only what changed; None when it was up to date.

    Raises:
        UsageError: no such format, a folder inside the dataset or somebody else's, a flag that says nothing.
        StateError: as export_format says; or the folder holds another export.
        WriteError: the disk is full, refuses, or cannot hold a name.
    """
    export, dataset = EXPORTS.load(name), project.dataset
    refuse_inside(dataset, target.place(name))
    with session(dataset):
        try:
            asked = project.export_asked(name, flags)
            run = Run(project, export, asked, force=force, progress=progress)
            with folders.disk_refusals(target.folder):
                return archive(run, target) if target.archive else _export(run, target)
        finally:
            dataset.objects.discard()


def _export(run: Run, target: Target) -> Elsewhere | None:
    folder, dataset = target.folder, run.project.dataset
    left = journals.read_left(folder)
    journals.refuse_others(dataset, folder, left, run.export.name)
    stamps = journals.recall(dataset, folder)
    standing = folders.look(folder, left.files, stamps)
    if run.is_current(left.manifest, folder=str(folder)) and _is_whole(left, standing, copies=target.copies):
        if any(path not in stamps or not stamps[path].fits(one.stat) for path, one in standing.items()):
            journals.remember(dataset, folder, _stamps(standing))
        return None
    made, ignored = run.make(folder=folder)
    sources = folders.sources_of(made.plan)
    standing |= folders.look(folder, sources.keys() - left.files.keys(), stamps)
    todo = folders.sort_out(
        _wanted(sources, left.manifest), left.files, {path: one.sha256 for path, one in standing.items()}
    )
    shared = [path for path in todo.right if target.copies and _is_shared(standing[path], sources[path])]
    if shared:
        right = {path: sha for path, sha in todo.right.items() if path not in set(shared)}
        todo = todo._replace(right=right, fresh=sorted([*todo.fresh, *shared]))
    written, num_copied = _write(run, target, sources, todo=todo, left=left)
    standing |= written
    files = todo.right | {path: one.sha256 for path, one in written.items()}
    files |= {path: folders.hash_of(sources[path]) for path in todo.foreign if path in sources}
    packs = {path: pack.digest for path, pack in made.plan.packs.items() if path in files and path not in todo.foreign}
    manifest = run.manifest(made, ignored, files=files, packs=packs)
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / MANIFEST_NAME, encode_manifest(manifest))
    journals.remember(dataset, folder, _stamps({path: standing[path] for path in files if path in standing}))
    notes = [*made.notes, *in_words(ignored, listed_in=f"{folder}/{MANIFEST_NAME}")]
    notes += _stayed(folder, todo, {*files, *todo.gone})
    if num_copied and not target.copies and _is_other_disk(dataset.root, folder):
        notes.append(f"{folder} is on another disk, where nothing can be linked: {Counted(num_copied, 'image')} copied")
    return Elsewhere(
        format=run.export.name,
        place=str(folder),
        commit=manifest.commit,
        num_items=len(made.plan.items),
        num_written=len(todo.fresh),
        num_removed=len(todo.gone),
        stayed=tuple(todo.foreign),
        notes=tuple(notes),
    )


def _wanted(sources: Mapping[str, Source], before: Manifest | None) -> dict[str, frozenset[str]]:
    """Path → the hashes that are right; of a pack that of the one before, where it was made of the same."""
    wanted = {}
    for path, source in sources.items():
        sha = folders.hash_of(source)
        if isinstance(source, Pack) and before is not None and before.packs.get(path) == source.digest:
            sha = before.files.get(path, "")
        wanted[path] = frozenset({sha} if sha else ())
    return wanted


def _is_whole(left: Left, standing: Mapping[str, Standing], *, copies: bool) -> bool:
    """Whether every file is there as it was written."""
    return all(
        path in standing and standing[path].sha256 in shas - {""} and not (copies and standing[path].stat.st_nlink > 1)
        for path, shas in left.files.items()
    )


def _is_shared(one: Standing, source: Source) -> bool:
    return isinstance(source, ImageRef) and one.stat.st_nlink > 1


def _stamps(standing: Mapping[str, Standing]) -> Iterable[tuple[str, folders.Stamp]]:
    return ((path, one.stamp) for path, one in standing.items())


def _write(
    run: Run, target: Target, sources: Mapping[str, Source], *, todo: Todo, left: Left
) -> tuple[dict[str, Standing], int]:
    """Do what must be done; (path → what was written, how many images were copied)."""
    folder, dataset = target.folder, run.project.dataset
    if not todo.fresh and not todo.gone:
        return {}, 0
    images = {path: source for path in todo.fresh if isinstance(source := sources[path], ImageRef)}
    folders.refuse_obstacles(folder, [*todo.fresh, *todo.gone], todo.gone)
    folders.refuse_absent(dataset, images.values())
    folder.mkdir(parents=True, exist_ok=True)
    journals.tidy(folder)
    wanted = {path: folders.hash_of(sources[path]) for path in todo.fresh}
    replace_file(folder / MANIFEST_NAME, journals.encode_journal(run.journal(), left.files, wanted))
    folders.remove(folder, todo.gone)
    donors = {} if target.copies else donors_of(dataset, images.values())
    written = {}
    with folders.scratch_in(folder) as scratch:
        writer = Writer(dataset, folder, scratch=scratch, copies=target.copies, donors=donors)
        for number, path in enumerate(todo.fresh):
            written[path] = writer.write(path, sources[path])
            if number % _EVERY == 0:
                run.progress(f"export {run.export.name}", number, len(todo.fresh))
    sync_filesystem(folder)
    return written, writer.num_copied


def donors_of(dataset: Dataset, images: Iterable[ImageRef]) -> dict[str, str]:
    """sha256 → an unchanged, read-only image of the work tree: what may be linked; a writable one is somebody's own."""
    wanted = {dataset.pointer_blob(ref): ref.sha256 for ref in images}
    found: dict[str, str] = {}
    for path, line in read_index(dataset.index_path).lines.with_blobs(wanted):
        sha = wanted[line.oid]
        if sha not in found:
            name = f"{dataset.root}/{path}"
            try:
                stat = os.lstat(name)
            except OSError:
                continue
            if line.matches(stat) and not stat.st_mode & 0o222:
                found[sha] = name
    return found


def _is_other_disk(root: Path, folder: Path) -> bool:
    return root.stat().st_dev != folder.stat().st_dev


def _stayed(folder: Path, todo: Todo, ours: set[str]) -> list[str]:
    """What is not as dsk would have it, for people."""
    notes = []
    if todo.foreign:
        notes.append(f"changed by somebody, so left as it is (delete it to have it written): {some(todo.foreign)}")
    added = _foreign(folder, {*ours, *todo.foreign, MANIFEST_NAME})
    if added:
        notes.append(f"not written by dsk, and left alone: {some(added)}")
    return notes


def _foreign(folder: Path, ours: set[str]) -> list[str]:
    """Files in the folder that are not ours, sorted."""
    found = []
    for where, _, names in os.walk(folder):
        inside = os.path.relpath(where, folder)
        prefix = "" if inside == "." else f"{inside.replace(os.sep, '/')}/"
        found += [f"{prefix}{name}" for name in names if f"{prefix}{name}" not in ours]
    return sorted(found)
