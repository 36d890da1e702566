"""What verification finds: values that looking fills and healing reads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import msgspec

from datakit.model.item import ImageRef
from datakit.store.fsck import BadPack, Walk
from datakit.store.index import Index

FROM_CLONE = "git remote add whole FOLDER, of a whole clone on this computer; then dsk verify"
"""Git itself fetches nothing that its references lead to already."""

Supply = tuple[str, bytes]
"""(type, content) of a git object."""


class Damage(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is not as it was written."""

    kind: str
    """image (of the store), file (of the work tree), git, pack, index, lock or record."""
    path: str
    what: str
    repaired: str = ""
    """How; '' when it was not."""
    cure: str = ""
    """What to do, where it was not repaired."""


class BadFile(NamedTuple):
    """A damaged file of the work tree."""

    stat: os.stat_result
    blob: bytes
    what: str


class Look(msgspec.Struct):
    """What was found, before anything is repaired."""

    walk: Walk
    head: dict[str, bytes]
    """Path → blob id of HEAD's files; of trees that cannot be read, as the index has them."""
    index: Index
    index_problem: str = ""
    pointers: dict[bytes, tuple[str, int]] = msgspec.field(default_factory=dict)
    """Blob id → (sha256, size) of each pointer of the history."""
    in_head: set[bytes] = msgspec.field(default_factory=set)
    images: dict[str, str] = msgspec.field(default_factory=dict)
    """sha256 → what is wrong with the store's object."""
    missing: dict[str, ImageRef] = msgspec.field(default_factory=dict)
    """sha256 → image of HEAD that the store lacks."""
    missing_before: int = 0
    copies: dict[str, Path] = msgspec.field(default_factory=dict)
    """sha256 of such an image → work-tree file that holds its content."""
    files: dict[str, BadFile] = msgspec.field(default_factory=dict)
    supplies: dict[bytes, Supply] = msgspec.field(default_factory=dict)
    """Damaged git objects whose content stands elsewhere."""
    from_copies: set[bytes] = msgspec.field(default_factory=set)
    """Those of `supplies` that another copy of the dataset has."""
    loose: list[bytes] = msgspec.field(default_factory=list)
    """Damaged git objects that nothing refers to."""
    packs: list[BadPack] = msgspec.field(default_factory=list)
    other: list[Damage] = msgspec.field(default_factory=list)
    """What has no copy anywhere."""
    num_images: int = 0
    num_files: int = 0
    num_bytes: int = 0
    num_hand_edits: int = 0
