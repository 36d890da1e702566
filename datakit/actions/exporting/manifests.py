"""What is written down of exports: read back, and held against the stage, the settings and the files."""

from __future__ import annotations

from typing import Final

import msgspec

from datakit.actions.project import Project
from datakit.config import digest
from datakit.exports.asking import asks_records, source_stage
from datakit.exports.model import EXPORTS, MANIFEST_NAME, Export, Manifest
from datakit.exports.settings import Asked, Flags
from datakit.model.order import EXPORT, RAW
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import stage_tree
from datakit.store.objects import FILE_MODE, find

_OID_BYTES: Final = 20


def export_staleness(project: Project, root: bytes | None, name: str, flags: Flags | None = None) -> str:
    """Why a format must be written again; '' when it is up to date.

    `flags` are those of the command that asks; without them those hold that it was written with.
    """
    manifest = read_manifest(project.dataset, root, name)
    if manifest is None:
        return "never run"
    asked = project.export_asked(name, manifest.flags if flags is None else flags)
    if asked.flags != manifest.flags:
        return "it was written with other flags"
    return outdated(project, manifest, root=root, asked=asked, folder=str(project.dataset.root / EXPORT / name)) or (
        "its files were changed by hand" if manifest.tree != written_tree(project.dataset, root, name) else ""
    )


def outdated(project: Project, manifest: Manifest, *, root: bytes | None, asked: Asked, folder: str) -> str:
    """Why a format must be written again, whatever its files are; '' when it need not."""
    export = EXPORTS.load(manifest.format)
    if not manifest.context:
        return "an earlier version of dsk wrote it"
    if manifest.input != input_of(project.dataset, root, asked):
        return f"{source_stage(asked.flags)} changed"
    if manifest.config != config_digest(export, asked, folder=folder):
        tables = f"[{EXPORT}], [{EXPORT}.{export.name}] or [bake]" if asked.flags.config else ""
        return f"{tables or f'[{EXPORT}] or [{EXPORT}.{export.name}]'} in dsk.toml changed"
    if manifest.context != context_digest(project, export, asked, root):
        return "records or masks changed"
    return ""


def input_of(dataset: Dataset, root: bytes | None, asked: Asked) -> str:
    """Id of the tree of the stage that is exported; '' where it is empty."""
    tree = stage_tree(dataset, root, source_stage(asked.flags))
    return tree.hex() if tree else ""


def read_manifest(dataset: Dataset, root: bytes | None, name: str) -> Manifest | None:
    """The manifest of an export in a tree; None where there is none, or that of another format."""
    entry = find(dataset.objects, root, f"{EXPORT}/{name}/{MANIFEST_NAME}") if root else None
    manifest = decode_manifest(dataset.objects.read(entry.oid)) if entry and entry.mode == FILE_MODE else None
    return manifest if manifest and manifest.format == name else None


def decode_manifest(data: bytes) -> Manifest | None:
    """A manifest; None where it is not one of ours any more."""
    try:
        return msgspec.json.decode(data, type=Manifest)
    except (msgspec.DecodeError, RecursionError):
        return None


def known_object(dataset: Dataset, oid: str) -> bytes | None:
    """Id of the commit or tree that a manifest names, which may say anything; None where it is not in this clone."""
    try:
        found = bytes.fromhex(oid)
    except ValueError:
        return None
    return found if len(found) == _OID_BYTES and dataset.objects.has(found) else None


def written_tree(dataset: Dataset, root: bytes | None, name: str) -> str:
    """Id of the tree of an export's files, without the manifest; '' where there is none."""
    entry = find(dataset.objects, root, f"{EXPORT}/{name}") if root else None
    lines = dataset.objects.tree(entry.oid) if entry else {}
    lines.pop(MANIFEST_NAME, None)
    return dataset.objects.put_tree(lines).hex() if lines else ""


def config_digest(export: Export, asked: Asked, *, folder: str) -> str:
    """What of an export's settings decides about its files, with its version."""
    has_config = bool(asked.flags.config)  # which has paths of its own
    given = asked if has_config else msgspec.structs.replace(asked, bake={})
    return digest([export.version, given, folder if has_config or export.is_bound(asked.own) else ""])


def context_digest(project: Project, export: Export, asked: Asked, root: bytes | None) -> str:
    """What else decides: records, where they are asked; the colour behind transparency; masks."""
    dataset = project.dataset
    raw = stage_tree(dataset, root, RAW) if asks_records(export, asked) else None
    masks = ""
    if asked.common.masks:
        from datakit.actions.exporting.masks import masks_state  # decodes images, which most who ask have no need of

        masks = masks_state(dataset, root, asked.common.masks)
    return digest([raw.hex() if raw else "", project.settings("edited").background, masks])
