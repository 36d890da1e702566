"""What is written down of exports: read back, and held against wip, the settings and the files."""

from __future__ import annotations

from typing import Any

import msgspec

from datakit.config import digest
from datakit.exports.model import MANIFEST_NAME, Export, Manifest
from datakit.model.order import EXPORT, WIP
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import stage_tree
from datakit.store.objects import find


def export_staleness(dataset: Dataset, root: bytes | None, export: Export, settings: Any) -> str:
    """Why a format must be written again; '' when it is up to date."""
    manifest = read_manifest(dataset, root, export.name)
    if manifest is None:
        return "never run"
    wip = stage_tree(dataset, root, WIP)
    if manifest.input != (wip.hex() if wip else ""):
        return f"{WIP} changed"
    if manifest.config != settings_digest(dataset, export, settings):
        return f"[{EXPORT}.{export.name}] in dsk.toml changed"
    if manifest.tree != written_tree(dataset, root, export.name):
        return "its files were changed by hand"
    return ""


def read_manifest(dataset: Dataset, root: bytes | None, name: str) -> Manifest | None:
    """The manifest of an export in a tree; None where there is none."""
    entry = find(dataset.objects, root, f"{EXPORT}/{name}/{MANIFEST_NAME}") if root else None
    if entry is None:
        return None
    try:
        return msgspec.json.decode(dataset.objects.read(entry.oid), type=Manifest)
    except msgspec.DecodeError:
        return None  # not one of ours any more: the export is simply stale


def written_tree(dataset: Dataset, root: bytes | None, name: str) -> str:
    """Id of the tree of an export's files, without the manifest; '' where there is none."""
    entry = find(dataset.objects, root, f"{EXPORT}/{name}") if root else None
    lines = dataset.objects.tree(entry.oid) if entry else {}
    lines.pop(MANIFEST_NAME, None)
    return dataset.objects.put_tree(lines).hex() if lines else ""


def settings_digest(dataset: Dataset, export: Export, settings: Any) -> str:
    """What of an export's settings decides about its files, with its version."""
    folder = str(dataset.root) if export.is_bound(settings) else ""
    return digest([export.version, settings, folder])
