"""The dataset as the next export would find it, with the hand edits that are not committed yet; nothing is committed.

Images that were edited by hand go into the store, as the next operation would take them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from datakit.actions.exporting import folders, journals
from datakit.actions.exporting.archiving import read_before
from datakit.actions.exporting.manifests import known_object, outdated, read_manifest, written_tree
from datakit.actions.exporting.outside import Target, refuse_inside
from datakit.actions.project import Project
from datakit.exports.model import MANIFEST_NAME, Manifest
from datakit.exports.settings import Asked, Flags
from datakit.model.order import EXPORT
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.operations.handedits import take_in
from datakit.repo.operations.pending import pending_tree
from datakit.repo.worktree.scan import Edit, scan
from datakit.store.objects import files, find


@contextlib.contextmanager
def pending_root(dataset: Dataset) -> Iterator[bytes | None]:
    """Id of the tree that the next operation would find; what of it is not in git is forgotten afterwards."""
    try:
        edits = scan(dataset).edits
        yield pending_tree(dataset, [_taken(dataset, edit) for edit in edits])
    finally:
        dataset.objects.discard()


def _taken(dataset: Dataset, edit: Edit) -> Edit:
    if edit.path.startswith(f"{EXPORT}/") or not is_stored_as_pointer(edit.path):
        return edit
    return Edit(edit.path, edit.old, take_in(dataset, edit))


class Found(NamedTuple):
    """An export as it stands."""

    format: str
    place: str
    """The folder or the archive, for people."""
    folder: str
    """Absolute path of its folder; '' for an archive."""
    manifest: Manifest | None
    """None where there is none, or it did not come to its end."""
    changed: list[str]
    """Files with another content than dsk wrote."""
    missing: list[str]
    """Files that are not there any more."""
    added: list[str]
    """Files that dsk did not write, in the dataset; what lies beside an export elsewhere is nobody's business."""
    is_unfinished: bool = False


def find_export(project: Project, root: bytes | None, name: str, target: Target | None) -> Found:
    """An export in the dataset, or where `target` says; `name` may be '' there, for the format that it has.

    Raises:
        UsageError, StateError: somebody else's folder or archive, or another export.
    """
    if target is None:
        return _inside(project, root, name)
    refuse_inside(project.dataset, target.place(name))
    with folders.disk_refusals(target.folder):
        return _archived(project, name, target) if target.archive else _outside(project, name, target)


def reason_of(project: Project, found: Found, *, root: bytes | None, flags: Flags | None) -> tuple[str, Asked | None]:
    """(Why it must be written again, '' when it need not; what is asked of it, where there is an export)."""
    if found.is_unfinished:
        return "it was not written to its end", None
    if found.manifest is None:
        return "never run", None
    asked = project.export_asked(found.format, found.manifest.flags if flags is None else flags)
    if asked.flags != found.manifest.flags:
        return "it was written with other flags", asked
    reason = outdated(project, found.manifest, root=root, asked=asked, folder=found.folder)
    by_hand = "its files were changed by hand" if found.changed or found.missing or found.added else ""
    return reason or by_hand, asked


def _inside(project: Project, root: bytes | None, name: str) -> Found:
    dataset = project.dataset
    manifest = read_manifest(dataset, root, name)
    folder = str(dataset.root / EXPORT / name)
    changed: list[str] = []
    missing: list[str] = []
    added: list[str] = []
    if manifest is not None and manifest.tree != written_tree(dataset, root, name):
        entry = find(dataset.objects, root, f"{EXPORT}/{name}") if root else None
        now = dict(files(dataset.objects, entry.oid if entry else None))
        now.pop(MANIFEST_NAME, None)
        before = dict(files(dataset.objects, known_object(dataset, manifest.tree)))
        changed = sorted(path for path in now.keys() & before.keys() if now[path] != before[path])
        missing = sorted(manifest.files.keys() - now.keys())
        added = sorted(now.keys() - manifest.files.keys())
    return Found(name, f"{EXPORT}/{name}", folder, manifest, changed, missing, added)


def _outside(project: Project, name: str, target: Target) -> Found:
    folder, dataset = target.folder, project.dataset
    left = journals.read_left(folder)
    name = name or left.format
    journals.refuse_others(dataset, folder, left, name)
    standing = folders.look(folder, left.files, journals.recall(dataset, folder))
    missing = sorted(left.files.keys() - standing.keys())
    changed = sorted(path for path, one in standing.items() if one.sha256 not in left.files[path])
    is_unfinished = bool(left.format) and left.manifest is None
    return Found(name, str(folder), str(folder), left.manifest, changed, missing, [], is_unfinished)


def _archived(project: Project, name: str, target: Target) -> Found:
    path = target.place(name)
    manifest = read_before(path)
    if manifest is not None:
        name = name or manifest.format
        left = journals.Left(manifest=manifest, format=manifest.format, commit=manifest.commit)
        journals.refuse_others(project.dataset, path, left, name)
    return Found(name, str(path), "", manifest, [], [], [])
