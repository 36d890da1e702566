"""What an export is: a pure function from the items of wip to the files that one trainer reads."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from datakit.model.item import ImageRef
from datakit.model.record import encode_json
from datakit.registry import Family

MANIFEST_NAME: Final = "manifest.json"


class ExportItem(msgspec.Struct, frozen=True, kw_only=True):
    """One image with its caption, as wip has them."""

    key: str
    image: ImageRef
    caption: str


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The files of an export, relative to its folder."""

    images: dict[str, ImageRef]
    texts: dict[str, bytes]
    items: dict[str, str]
    """Item key → path of its image."""
    warnings: tuple[str, ...] = ()
    """What the format cannot express."""


class Export(msgspec.Struct, frozen=True, kw_only=True):
    """One dataset format."""

    name: str
    title: str
    target: str
    """The trainer that it is for, as lint names it: what that one stumbles over in wip is refused first."""
    mends: frozenset[str] = frozenset()
    """Names of the lint rules whose findings in wip its files do not have."""
    version: int
    is_bound: Callable[[Any], bool] = lambda settings: False
    """Whether, with these settings, the files depend on the folder that they lie in."""
    settings: type[msgspec.Struct]
    """Section `[export.<name>]` of dsk.toml."""
    plan: Callable[[Sequence[ExportItem], Any, str], Plan]
    """(items sorted by key, settings, absolute path of the export's folder) → its files."""


EXPORTS: Family[Export] = Family("datakit.exports", Export, "EXPORT", word="export format")


class Ignored(msgspec.Struct, frozen=True, kw_only=True):
    """An error that lint found in wip, and that was gone past on request."""

    code: str
    name: str
    """Of the rule."""
    path: str
    """From the dataset's root."""
    message: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What was exported from what: `manifest.json` beside the trainer's files."""

    dsk: str
    """Version of dsk."""
    format: str
    commit: str
    """The dataset's commit that was exported."""
    input: str
    """Id of wip's tree."""
    config: str
    """Digest of the export's settings and version."""
    settings: dict[str, Any]
    items: dict[str, str]
    files: dict[str, str]
    """Path → sha256 of every file but this one."""
    tree: str
    """Id of the git tree of those files: whether somebody changed them since."""
    ignored: tuple[Ignored, ...] = ()
    """What `--force` went past; it says nothing about whether the export is up to date."""


def manifest_files(plan: Plan) -> dict[str, str]:
    """Path → sha256 of every file of a plan."""
    hashes = {path: ref.sha256 for path, ref in plan.images.items()}
    hashes.update((path, hashlib.sha256(data).hexdigest()) for path, data in plan.texts.items())
    return dict(sorted(hashes.items()))


def encode_manifest(manifest: Manifest) -> bytes:
    """Canonical JSON."""
    return encode_json(manifest)
