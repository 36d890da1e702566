"""dsk export --check: an export that is there against the stage, the settings and its own files as they are now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from datakit.actions.exporting.making import make
from datakit.actions.exporting.manifests import input_of, known_object
from datakit.actions.exporting.outside import Target
from datakit.actions.exporting.standing import Found, find_export, pending_root, reason_of
from datakit.actions.project import Project
from datakit.exports.captions import one_line
from datakit.exports.expressing import some
from datakit.exports.model import EXPORTS, Manifest
from datakit.exports.settings import Asked, Flags
from datakit.model.progress import Progress, silent
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import ItemFiles, read_items


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What differs; nothing where the export is up to date."""

    format: str
    place: str
    reason: str
    """Why it must be written again; '' when it is up to date."""
    commit: str = ""
    """Of the dataset, that was exported."""
    added: tuple[str, ...] = ()
    """Keys of items that would come."""
    removed: tuple[str, ...] = ()
    """Keys of items that would go."""
    captions: tuple[str, ...] = ()
    """Keys of items of another caption."""
    images: tuple[str, ...] = ()
    """Keys of items of another image."""
    settings: tuple[str, ...] = ()
    """`repeats: 1, now 3`."""
    changed_files: tuple[str, ...] = ()
    """Changed by hand since dsk wrote them."""
    missing_files: tuple[str, ...] = ()
    added_files: tuple[str, ...] = ()

    @property
    def is_current(self) -> bool:
        """Whether it is up to date."""
        return not self.reason

    def in_words(self) -> Iterator[str]:
        """A line for each kind of difference."""
        for words, names in (
            ("items added", self.added),
            ("items removed", self.removed),
            ("captions changed", self.captions),
            ("images changed", self.images),
            ("settings changed", self.settings),
            ("files changed by hand", self.changed_files),
            ("files removed by hand", self.missing_files),
            ("files added by hand", self.added_files),
        ):
            if names:
                yield f"{words}: {len(names):,} ({some(names)})"


def check_export(
    project: Project,
    name: str,
    target: Target | None = None,
    *,
    flags: Flags | None = None,
    progress: Progress = silent,
) -> Checked:
    """Compare an export with what it would be now; without `flags`, with those that it was written with.

    `name` may be '' where `target` says where: the format is then the one that lies there.

    Raises:
        UsageError, StateError: no such format, somebody else's folder, nothing to export.
    """
    with pending_root(project.dataset) as root:
        found = find_export(project, root, name, target)
        reason, asked = reason_of(project, found, root=root, flags=flags)
        whole = Checked(
            format=found.format,
            place=found.place,
            reason=reason,
            commit=found.manifest.commit if found.manifest else "",
            changed_files=tuple(found.changed),
            missing_files=tuple(found.missing),
            added_files=tuple(found.added),
        )
        if not reason or asked is None or found.manifest is None:
            return whole
        return _compared(project, found, whole, root=root, asked=asked, progress=progress)


def _compared(
    project: Project, found: Found, whole: Checked, *, root: bytes | None, asked: Asked, progress: Progress
) -> Checked:
    manifest, export = found.manifest, EXPORTS.load(found.format)
    assert manifest is not None
    folder = Path(found.folder) if found.folder else None
    items = make(project, export, asked, root=root, folder=folder, progress=progress).plan.items
    captions, images = _changed(project.dataset, manifest, input_of(project.dataset, root, asked))
    both = items.keys() & manifest.items.keys()
    return msgspec.structs.replace(
        whole,
        added=tuple(sorted(items.keys() - manifest.items.keys())),
        removed=tuple(sorted(manifest.items.keys() - items.keys())),
        captions=tuple(key for key in captions if key in both),
        images=tuple(key for key in images if key in both),
        settings=tuple(_settings(manifest, asked)),
    )


def _changed(dataset: Dataset, manifest: Manifest, now: str) -> tuple[list[str], list[str]]:
    """Keys of the stage's items that were exported with (another caption, another image); sorted.

    Empty where the stage as it was then is not in this clone.
    """
    before = known_object(dataset, manifest.input)
    if manifest.input == now or before is None:
        return [], []
    old, new = read_items(dataset, before), read_items(dataset, bytes.fromhex(now))
    both = [key for key in new if key in old]
    captions = [key for key in both if _says_otherwise(dataset, old[key], new[key])]
    images = [key for key in both if set(old[key].images.values()) != set(new[key].images.values())]
    return captions, images


def _says_otherwise(dataset: Dataset, old: ItemFiles, new: ItemFiles) -> bool:
    return old.caption != new.caption and _caption(dataset, old.caption) != _caption(dataset, new.caption)


def _caption(dataset: Dataset, blob: bytes | None) -> str:
    return one_line(dataset.objects.read(blob).decode("utf-8", "replace")) if blob else ""


def _settings(manifest: Manifest, asked: Asked) -> Iterator[str]:
    """Each setting that is another now."""
    now = msgspec.to_builtins({"common": asked.common, "own": asked.own})
    before = manifest.settings
    for table in ("common", "own"):
        old, new = _flat(before.get(table)), _flat(now[table])
        for key in sorted(old.keys() | new.keys()):
            if old.get(key) != new.get(key):
                yield f"{key}: {_shown(old.get(key))}, now {_shown(new.get(key))}"
    old_flags, new_flags = _flat(msgspec.to_builtins(manifest.flags)), _flat(msgspec.to_builtins(asked.flags))
    for key in sorted(old_flags.keys() | new_flags.keys()):
        if old_flags.get(key) != new_flags.get(key):
            yield f"--{key}: {_shown(old_flags.get(key))}, now {_shown(new_flags.get(key))}"


def _flat(table: Any, prefix: str = "") -> dict[str, Any]:
    """Inner tables written with dots; lists as they come back from JSON."""
    found: dict[str, Any] = {}
    for key, value in table.items() if isinstance(table, Mapping) else ():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = list(value) if isinstance(value, tuple) else value
    return found


def _shown(value: Any) -> str:
    return "nothing" if value in (None, "") else str(value)
