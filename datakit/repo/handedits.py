"""Hand edits as an operation: taken into the store, and told in words."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Iterable

from datakit.errors import InputError
from datakit.model.item import is_image, split_path
from datakit.model.order import EXPORT, ORDER
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.scan import Edit, Scan
from datakit.store.lfs import parse_pointer


def take_in(dataset: Dataset, edit: Edit) -> bytes | None:
    """Id of the blob for an edited file, kept for the next flush; an image's content goes into the store."""
    if edit.new is None:
        return None
    path = dataset.root / edit.path
    try:
        if not is_stored_as_pointer(edit.path):
            return dataset.objects.blob(path.read_bytes())
        if path.stat().st_size <= 1024 and parse_pointer(text := path.read_bytes()):
            return dataset.objects.blob(text)
    except OSError as error:
        raise InputError(f"{edit.path}: {error.strerror}", hint="check the file's permissions") from error
    return dataset.pointer_blob(dataset.lfs.ingest(path, split_path(edit.path)[1]))


def heal_shared(dataset: Dataset, found: Scan) -> dict[str, tuple[os.stat_result, bytes]]:
    """Undo what writing through one name of a shared inode did to the others.

    The edit stays with the last stage that the file belongs to (an export is a product, nobody's bench);
    elsewhere the file is made anew from the store. Returns those: path → (stat, blob id).
    """
    shared: dict[tuple[int, int], list[Edit]] = defaultdict(list)
    for edit in found.edits:
        stat = found.stats.get(edit.path)
        if stat is not None and edit.old and edit.new and stat.st_nlink > 1 and is_stored_as_pointer(edit.path):
            shared[stat.st_dev, stat.st_ino].append(edit)
    healed: dict[str, tuple[os.stat_result, bytes]] = {}
    for group in shared.values():
        group.sort(key=_bench_order)
        for edit in group[:-1]:
            blob = edit.old or b""
            ref = dataset.image_ref(edit.path, blob)
            if ref is not None and dataset.lfs.has(ref):
                content = dataset.lfs.path(ref.sha256)
                placed = dataset.linker.place(content, f"{dataset.root}/{edit.path}", donor=None)
                healed[edit.path] = placed.stat, blob
    return healed


def _bench_order(edit: Edit) -> tuple[bool, int, str]:
    stage = edit.path.partition("/")[0]
    return stage != EXPORT, ORDER.index(stage), edit.path


def describe(edits: Iterable[Edit]) -> str:
    """A subject such as `wip: 3 captions edited, 1 image removed; raw: 1 image added`."""
    places: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
    for edit in edits:
        top, slash, _ = edit.path.partition("/")
        verb = "added" if edit.old is None else "removed" if edit.new is None else "edited"
        places[top if slash else ""][_thing(edit.path) if slash else edit.path, verb] += 1
    parts = []
    for place in sorted(places, key=_place_order):
        counts = places[place]
        words = [
            f"{thing} {verb}" if not place else f"{number} {thing}{'s' if number > 1 else ''} {verb}"
            for (thing, verb), number in sorted(counts.items())
        ]
        parts.append((f"{place}: " if place else "") + ", ".join(words))
    return "; ".join(parts)


def _place_order(place: str) -> tuple[int, str]:
    return (ORDER.index(place) if place in ORDER else len(ORDER), place)


def _thing(path: str) -> str:
    if is_image(path):
        return "image"
    extension = split_path(path)[1].lower()
    if extension in {"txt", "caption"}:
        return "caption"
    return "record" if path.startswith("raw/") else "file"
