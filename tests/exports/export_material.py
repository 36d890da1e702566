"""Hand-made material for formats: items of one pixel's meaning, subsets of what the settings say."""

from __future__ import annotations

import hashlib
from typing import Any

from datakit.config import decode
from datakit.exports.model import Export, ExportItem, Material, Subset
from datakit.exports.recipes.model import Recipe
from datakit.exports.settings import Common
from datakit.model.item import ImageRef


def image_ref(name: str, extension: str = "png") -> ImageRef:
    """A reference to an image that is nowhere: its digest is its name's."""
    return ImageRef(hashlib.sha256(name.encode()).hexdigest(), 1, extension)


def item(key: str, caption: str = "1girl, solo", **fields: Any) -> ExportItem:
    """An item with its stem for a name; `extension`, `mask=True` and the struct's own fields may be said."""
    extension = fields.pop("extension", "png")
    if isinstance(fields.get("mask"), bool):
        fields["mask"] = image_ref(f"{key} mask") if fields["mask"] else None
    stem = key.rpartition("/")[2]
    given = {"name": stem, "image": image_ref(key, extension), "size_px": (1024, 1024), **fields}
    return ExportItem(key=key, caption=caption, **given)


def subset(name: str, *items: ExportItem, **fields: Any) -> Subset:
    """A subset of one concept of the same name."""
    return Subset(**{"name": name, "concept": name, "items": items, **fields})


def material(
    *subsets: Subset,
    export: Export,
    folder: str = "/set/export/x",
    own: dict[str, Any] | None = None,
    recipe: Recipe | None = None,
    **common: Any,
) -> Material:
    """Material for a format; `common` and `own` are read as from dsk.toml."""
    return Material(
        subsets=tuple(sorted(subsets, key=lambda one: one.name)),
        common=decode(common, Common, where="[export]"),
        settings=decode(own or {}, export.settings, where=f"[export.{export.name}]"),
        folder=folder,
        recipe=recipe,
    )
