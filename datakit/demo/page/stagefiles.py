"""The stages of a dataset as they lie on the disk. Links are not followed: a name never leads out of the dataset."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from datakit.demo.page.facts import Dropped, Item, Stage
from datakit.demo.page.record import read_json

ORDER: Final = ("raw", "filtered", "edited", "captioned", "cleaned", "wip", "export")
EXPORT: Final = "export"
MANIFEST: Final = "manifest.json"
CAPTION: Final = ".txt"
_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".avif", ".jxl", ".tif", ".tiff"})
_REPEATS: Final = re.compile(r"^\d+_")
_CATEGORIES: Final = ("character", "copyright", "artist", "species", "general", "meta")
_LONGEST_BYTES: Final = 65_536
"""Of a text that is shown."""


def read_stages(root: Path) -> tuple[Stage, ...]:
    """All seven; those that are not there are empty."""
    return tuple(_export(root) if name == EXPORT else _stage(root / name) for name in ORDER)


def read_posted(root: Path) -> dict[str, str]:
    """Key → tags of the record, and of the caption that came along, as a caption."""
    found: dict[str, str] = {}
    raw = root / "raw"
    for path in _files(raw):
        key = path.relative_to(raw).with_suffix("").as_posix()
        words = _record_tags(read_json(path)) if path.suffix == ".json" else ""
        if path.suffix == CAPTION:
            words = read_text(path) or ""
        if words:
            found[key] = ", ".join(filter(None, (found.get(key, ""), words)))
    return found


def read_text(path: Path) -> str | None:
    """A text as far as it is shown; None where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(_LONGEST_BYTES).decode("utf-8", "replace")
    except OSError:
        return None


def _stage(folder: Path) -> Stage:
    items, lone = _items(folder)
    lock = read_json(folder / "stage.json")
    lock = lock if isinstance(lock, dict) else {}
    return Stage(
        name=folder.name,
        items=items,
        dropped={key: Dropped(_said(row, "rule"), _said(row, "reason")) for key, row in _table(lock, "dropped")},
        flagged={key: _remark(row) for key, row in _table(lock, "flagged")},
        lone_captions=lone,
    )


def _export(root: Path) -> Stage:
    """The format with the most images; which file is which item's, and why others are left out, its manifest says."""
    folder = root / EXPORT
    best = Stage(name=EXPORT, items={})
    for form in sorted(path for path in _children(folder) if path.is_dir()):
        manifest = read_json(form / MANIFEST)
        manifest = manifest if isinstance(manifest, dict) else {}
        keys = {_stem(path): key for key, path in _table(manifest, "items") if isinstance(path, str)}
        items = {keys.get(key, _unrepeated(key)): item for key, item in _items(form)[0].items()}
        if len(items) > len(best.items):
            texts = [
                path for path in _files(form) if path.suffix in {".toml", ".json", ".yaml"} and path.parent == form
            ]
            best = Stage(
                name=EXPORT,
                items=dict(sorted(items.items())),
                dropped={key: Dropped("", str(reason)) for key, reason in _table(manifest, "left_out")},
                files={path.relative_to(root).as_posix(): read_text(path) or "" for path in texts},
            )
    return best


def _items(folder: Path) -> tuple[dict[str, Item], tuple[str, ...]]:
    """Key → item, sorted by key; and captions without an image."""
    paths = list(_files(folder))
    captions = {_key(folder, path): path for path in paths if path.suffix == CAPTION}
    items: dict[str, Item] = {}
    for path in paths:
        if path.suffix.lower() in _IMAGES:
            key = _key(folder, path)
            caption = captions.get(key)
            text = read_text(caption) if caption else None
            items[key] = Item(key=key, image=path, digest=_digest(path), caption=text)
    lone = tuple(path.relative_to(folder).as_posix() for key, path in captions.items() if key not in items)
    return dict(sorted(items.items())), lone


def _files(folder: Path) -> Iterator[Path]:
    """Every file below, sorted; links are passed by."""
    for path in _children(folder):
        if path.is_dir():
            yield from _files(path)
        elif path.is_file():
            yield path


def _children(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if not path.is_symlink())


def _key(folder: Path, path: Path) -> str:
    return path.relative_to(folder).with_suffix("").as_posix()


def _stem(path: str) -> str:
    return PurePosixPath(path).with_suffix("").as_posix()


def _unrepeated(key: str) -> str:
    """A folder's repeats are no part of the concept."""
    path = PurePosixPath(key)
    return PurePosixPath(*(_REPEATS.sub("", part) for part in path.parts[:-1]), path.name).as_posix()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _table(lock: Mapping[str, Any], name: str) -> list[tuple[str, Any]]:
    found = lock.get(name)
    return list(found.items()) if isinstance(found, dict) else []


def _said(row: object, name: str) -> str:
    return str(row.get(name, "")) if isinstance(row, dict) else str(row)


def _remark(row: object) -> str:
    """What a flag says, whichever form it has."""
    rows = row if isinstance(row, list) else [row]
    return "; ".join(filter(None, (_said(one, "reason") for one in rows)))


def _record_tags(record: object) -> str:
    tags = record.get("tags") if isinstance(record, dict) else None
    if not isinstance(tags, dict):
        return ""
    names = sorted(tags, key=lambda name: (_CATEGORIES.index(name) if name in _CATEGORIES else 99, name))
    return ", ".join(str(tag) for name in names if isinstance(tags[name], list) for tag in tags[name])
