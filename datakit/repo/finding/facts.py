"""What the index holds of each item: its caption, its image's size, what its record says."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import Final

import msgspec

from datakit.errors import InputError, RepositoryError
from datakit.model.item import CAPTION_EXTENSION, IMAGE_EXTENSIONS, RECORD_EXTENSION, concept_of, split_path
from datakit.model.order import RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import CATEGORIES, Record, decode_record
from datakit.repo.dataset import Dataset
from datakit.repo.finding.looking import NO_FILE
from datakit.repo.stagetree import ItemFiles, TreeView
from datakit.repo.worktree.look import blob_id
from datakit.store.objects import files
from datakit.store.parallel import spread
from datakit.tags.captions import tags_in
from datakit.tags.query.evaluating import normal_format
from datakit.tags.query.matching import ItemFacts, number_of, text_of, values_of

OF_RECORDS: Final = ("raw", "filtered", "edited")
"""Stages in which an item's tags are those of its record too: captions are made after them."""
YOUNG_NS: Final = 50_000_000
"""A file that was changed so shortly before it was read may change again without another time."""
Stat = tuple[int, int, int]
"""Modification time in nanoseconds, size, inode."""
UNPROVEN: Final[Stat] = (-1, 0, 0)
NO_CAPTION: Final[Stat] = (NO_FILE, 0, 0)
_MANY: Final = 1000
"""Items from which on all folders are read, rather than those that have one of them."""
_SIZE_PREFIX: Final = "size-px:1:"
_IMAGE_NUMBERS: Final = ("width", "height", "size")


class Facts(msgspec.Struct):
    """One row."""

    key: str
    caption: str | None = None
    caption_blob: bytes | None = None
    image_blob: bytes | None = None
    stat: Stat = NO_CAPTION
    """Of the caption's file, when it held this caption."""
    values: dict[str, tuple[str, ...]] = {}
    columns: dict[str, str] = {}
    numbers: dict[str, float] = {}
    is_early: bool = False
    """Whether its tags are those of its record too."""

    def with_caption(self, text: str | None) -> Facts:
        """The same item with another caption, or none, or one at last."""
        tags = tags_in(text) if text else ()
        recorded = chain.from_iterable(self.values.get(name, ()) for name in (CATEGORIES if self.is_early else ()))
        every = tuple(dict.fromkeys((*tags, *recorded)))
        has = tuple(one for one in self.values.get("has", ()) if one != "caption")
        return msgspec.structs.replace(
            self,
            caption=text,
            values=self.values
            | {
                "tag": every,
                "has": (*has, "caption") if text is not None else has,
                "has-tag": ("yes",) if every else (),
            },
            numbers=self.numbers | {"num-tags": len(every)},
        )


def read_facts(
    dataset: Dataset,
    stage: str,
    trees: tuple[str, str],
    keys: Iterable[str] | None = None,
    *,
    progress: Progress = silent,
) -> list[Facts]:
    """The rows of a stage, or those of `keys`, sorted by key; of items with an image or a caption."""
    tree, raw = (bytes.fromhex(oid) or None for oid in trees)
    wanted = None if keys is None else list(keys)
    items = _items(dataset, tree, wanted)
    sources = items if stage == RAW else _items(dataset, raw, wanted)
    found: list[Facts] = []
    unknown: dict[bytes, str] = {}
    now = time.time_ns()
    for done, (key, own) in enumerate(items.items(), 1):
        progress("reading captions and records", done, len(items))
        if not own.images and own.caption is None:
            continue
        source = sources.get(key) or ItemFiles()
        record = _record(dataset, key, source)
        facts = _from_record(key, record, is_early=stage in OF_RECORDS)
        if own.images:
            _add_image(facts, own, source, record, unknown)
        text = None
        if own.caption is not None:
            data, facts.stat = read_caption(dataset, stage, key, own.caption, now)
            facts.caption_blob, text = own.caption, decode_caption(data)
        found.append(facts.with_caption(text))
    _add_sizes(dataset, found, unknown)
    return found


def _items(dataset: Dataset, tree: bytes | None, keys: list[str] | None) -> Mapping[str, ItemFiles]:
    if keys is not None and len(keys) < _MANY:
        return TreeView(dataset, tree).items(keys)
    found = _all_items(dataset, tree)
    return found if keys is None else {key: found[key] for key in sorted(keys) if key in found}


def _all_items(dataset: Dataset, tree: bytes | None) -> Mapping[str, ItemFiles]:
    """As `read_items`, in a third of its time for names as they usually are."""
    found: dict[str, ItemFiles] = {}
    for path, blob in files(dataset.objects, tree):
        key, dot, extension = path.rpartition(".")
        if not dot or key[-1:] in ("", "/") or "/" in extension:
            continue
        item = found.get(key)
        if item is None:
            item = found[key] = ItemFiles()
        if extension == CAPTION_EXTENSION:
            item.caption = blob
        elif extension == RECORD_EXTENSION:
            item.record = blob
        elif extension.lower() in IMAGE_EXTENSIONS:
            item.images[path] = blob
    return dict(sorted(found.items()))


def decode_caption(data: bytes) -> str:
    """A caption's text; bytes that are not UTF-8 are shown as such."""
    return data.decode("utf-8-sig", "replace")


def read_caption(dataset: Dataset, stage: str, key: str, blob: bytes, now_ns: int) -> tuple[bytes, Stat]:
    """A caption's bytes, and the stat of its file where that proves that it holds them."""
    data, stat = read_with_stat(dataset.root / stage / f"{key}.{CAPTION_EXTENSION}", now_ns)
    if data is None or blob_id(data) != blob:
        return dataset.objects.read(blob), UNPROVEN
    return data, stat


def read_with_stat(path: Path, now_ns: int) -> tuple[bytes | None, Stat]:
    """A file's bytes with its stat; None where there is no such file."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return None, UNPROVEN
    try:
        stat = os.fstat(handle)
        data = os.read(handle, stat.st_size + 1)
        while len(data) > stat.st_size and (more := os.read(handle, 1 << 20)):
            data += more
    except OSError:  # a folder
        return None, UNPROVEN
    finally:
        os.close(handle)
    is_young = now_ns - stat.st_mtime_ns < YOUNG_NS or len(data) != stat.st_size
    return data, UNPROVEN if is_young else (stat.st_mtime_ns, stat.st_size, stat.st_ino)


def _record(dataset: Dataset, key: str, source: ItemFiles) -> Record | None:
    if source.record is None:
        return None
    try:
        data = dataset.objects.read(source.record)
        return decode_record(data, path=f"{RAW}/{key}.{RECORD_EXTENSION}", upstream=False)
    except (InputError, RepositoryError):
        return None  # dsk verify and dsk lint tell of it


def _from_record(key: str, record: Record | None, *, is_early: bool) -> Facts:
    values: dict[str, tuple[str, ...]] = {"concept": (concept_of(key),)}
    if record is None:
        return Facts(key, values=values)
    item = ItemFacts(key=key, record=record)
    values |= {word: tuple(values_of(item, word)) for word in ("rating", "site", "has")}
    for name in CATEGORIES:
        tags = tuple(dict.fromkeys(values_of(item, name)))
        if tags:
            values[name] = tags
    columns = {word: text_of(item, word) for word in ("id", "md5", "parent")}
    numbers = {word: number_of(item, word) for word in ("score", "favorites", "date", "updated", "imported")}
    return Facts(key, values=values, columns=columns, numbers=numbers, is_early=is_early)


def _add_image(
    facts: Facts, own: ItemFiles, source: ItemFiles, record: Record | None, unknown: dict[bytes, str]
) -> None:
    path, blob = min(own.images.items())
    facts.image_blob = blob
    facts.values["format"] = (normal_format(split_path(path)[1]),)
    facts.values["has"] = (*facts.values.get("has", ()), "image")
    if record is not None and record.size_px is not None and blob in source.images.values():
        width, height = record.size_px
        facts.numbers |= {"width": width, "height": height, "size": record.size_bytes}
    else:
        unknown[blob] = path


def _add_sizes(dataset: Dataset, found: Iterable[Facts], unknown: Mapping[bytes, str]) -> None:
    """Of images that are not the record's: read from their heads, and remembered."""
    remembered = dataset.memo.get(f"{_SIZE_PREFIX}{blob.hex()}" for blob in unknown)
    known = {name: msgspec.msgpack.decode(value, type=dict[str, float]) for name, value in remembered.items()}
    missing = [(blob, path) for blob, path in unknown.items() if f"{_SIZE_PREFIX}{blob.hex()}" not in known]
    refs = [(blob, _size_of(dataset, path, blob)) for blob, path in missing]
    fresh = dict(_measured(refs))
    dataset.memo.put((name, msgspec.msgpack.encode(value)) for name, value in fresh.items())
    known |= fresh
    for facts in found:
        if facts.image_blob is not None and facts.image_blob in unknown:
            facts.numbers.update(known.get(f"{_SIZE_PREFIX}{facts.image_blob.hex()}", {}))


def _size_of(dataset: Dataset, path: str, blob: bytes) -> tuple[Path, int] | None:
    """Where an image lies, and its size in bytes; None where it is not known."""
    try:
        ref = dataset.image_ref(f"{RAW}/{path}", blob)
    except RepositoryError:
        return None  # an image that is not committed yet has no pointer
    return (dataset.lfs.path(ref.sha256), ref.size_bytes) if ref else None


def _measured(refs: list[tuple[bytes, tuple[Path, int] | None]]) -> Iterator[tuple[str, dict[str, float]]]:
    there = [(blob, place) for blob, place in refs if place is not None]
    sizes = spread(lambda row: _size_px(row[1][0]), there)
    for (blob, (_, num_bytes)), size in zip(there, sizes, strict=True):
        if size is not None:
            numbers = dict(zip(_IMAGE_NUMBERS, (*map(float, size), float(num_bytes)), strict=True))
            yield f"{_SIZE_PREFIX}{blob.hex()}", numbers


def _size_px(path: Path) -> tuple[int, int] | None:
    from datakit.images.decode import UnreadableImage  # most datasets need no image looked at
    from datakit.images.measure import header

    try:
        return header(path).size_px
    except (UnreadableImage, OSError):
        return None
