"""Hand edits as an operation: taken into the store, and told in words."""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

from datakit.errors import InputError
from datakit.model.item import ImageRef, is_image, split_path
from datakit.model.order import EXPORT, ORDER, RAW
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.operations.handrenames import ByStage
from datakit.repo.operations.matching import match_renames
from datakit.repo.worktree.checkout import has_stat
from datakit.repo.worktree.scan import Edit, Scan
from datakit.store.lfs import parse_pointer

_CAPTIONS: Final = frozenset({"txt", "caption"})


def take_in(dataset: Dataset, edit: Edit, *, take: Callable[[Path, str], ImageRef] | None = None) -> bytes | None:
    """Id of the blob for an edited file, kept for the next flush; an image's content goes into the store.

    With `take` it goes elsewhere, or is only hashed: (file, extension) → what it is.
    """
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
    return dataset.pointer_blob((take or dataset.lfs.ingest)(path, split_path(edit.path)[1]))


def heal_shared(dataset: Dataset, found: Scan) -> dict[str, tuple[os.stat_result, bytes]]:
    """Undo what writing through one name of a shared inode did to the others.

    The edit stays with the last stage that the file belongs to (an export is a product, nobody's bench);
    elsewhere the file is made anew from the store. Returns those: path → (stat, blob id).
    """
    shared: dict[tuple[int, int], list[Edit]] = defaultdict(list)
    for edit in found.edits:
        stat = found.stats.get(edit.path)
        if stat is not None and edit.new and stat.st_nlink > 1 and is_stored_as_pointer(edit.path):
            shared[stat.st_dev, stat.st_ino].append(edit)
    healed: dict[str, tuple[os.stat_result, bytes]] = {}
    for group in shared.values():
        group.sort(key=_bench_order)
        for edit in group[:-1]:
            blob = edit.old or b""  # none: a file that a person renamed, or linked, before it was written to
            ref = dataset.image_ref(edit.path, blob) if blob else None
            untouched = has_stat(f"{dataset.root}/{edit.path}", found.stats[edit.path])  # else saved since the scan
            if ref is not None and dataset.lfs.has(ref) and untouched:
                content = dataset.lfs.path(ref.sha256)
                placed = dataset.linker.place(content, f"{dataset.root}/{edit.path}", donor=None)
                healed[edit.path] = placed.stat, blob
    return healed


def _bench_order(edit: Edit) -> tuple[bool, int, str]:
    stage = edit.path.partition("/")[0]
    return stage != EXPORT, ORDER.index(stage), edit.path


def describe(edits: Iterable[Edit], renames: ByStage | None = None) -> str:
    """A subject such as `wip: 3 captions edited, 1 image removed; raw: 1 image added, aria/a renamed aria/b`.

    `renames` are the items that `find_renames` found among the edits.
    """
    places: dict[str, list[Edit]] = defaultdict(list)
    for edit in edits:
        top, slash, path = edit.path.partition("/")
        places[top if slash else ""].append(Edit(path if slash else top, edit.old, edit.new))
    parts = []
    for place in sorted(places, key=_place_order):
        words = _told(place, places[place], (renames or {}).get(place, {}))
        parts.append((f"{place}: " if place else "") + ", ".join(words))
    return "; ".join(parts)


def _told(place: str, edits: list[Edit], renamed: Mapping[str, str]) -> Iterator[str]:
    """The edits of one folder (``''`` for the dataset's own files) in words."""
    if not place:
        yield from (f"{edit.path} {_verb(edit)}" for edit in sorted(edits, key=lambda edit: edit.path))
        return
    edits = _beside(edits, renamed)
    captions = _renamed_captions(edits)
    touched = {path for pair in captions.items() for path in pair}
    counts = Counter((_thing(place, edit.path), _verb(edit)) for edit in edits if edit.path not in touched)
    yield from (
        f"{number} {thing}{'s' if number > 1 else ''} {verb}" for (thing, verb), number in sorted(counts.items())
    )
    for pairs, things in ((captions, "captions"), (renamed, "items")):
        if len(pairs) == 1:
            yield from (f"{old} renamed {new}" for old, new in pairs.items())
        elif pairs:
            yield f"{len(pairs):,} {things} renamed"


def _beside(edits: list[Edit], renamed: Mapping[str, str]) -> list[Edit]:
    """The edits without those that renaming explains: a caption renamed and rewritten is one that was edited."""
    if not renamed:
        return edits
    removed = {edit.path: edit for edit in edits if edit.new is None and split_path(edit.path)[0] in renamed}
    goals = {renamed[split_path(path)[0]] + path[len(split_path(path)[0]) :]: edit for path, edit in removed.items()}
    images = set(renamed.values())
    arrived: set[str] = set()
    rest = []
    for edit in edits:
        origin = goals.get(edit.path)
        if edit.path in removed or (edit.old is None and is_image(edit.path) and split_path(edit.path)[0] in images):
            continue
        if origin is not None and edit.old is None:
            arrived.add(origin.path)
            if origin.old != edit.new:
                rest.append(Edit(edit.path, origin.old, edit.new))
        else:
            rest.append(edit)
    return rest + [edit for path, edit in removed.items() if path not in arrived and not is_image(path)]


def _renamed_captions(edits: list[Edit]) -> dict[str, str]:
    """Captions that were renamed alone: orphans that got their image's name."""
    captions = [edit for edit in edits if split_path(edit.path)[1].lower() in _CAPTIONS]
    return match_renames(
        {edit.path: edit.old for edit in captions if edit.old is not None and edit.new is None},
        {edit.path: edit.new for edit in captions if edit.new is not None and edit.old is None},
    )


def _verb(edit: Edit) -> str:
    return "added" if edit.old is None else "removed" if edit.new is None else "edited"


def _place_order(place: str) -> tuple[int, str]:
    return (ORDER.index(place) if place in ORDER else len(ORDER), place)


def _thing(place: str, path: str) -> str:
    if is_image(path):
        return "image"
    extension = split_path(path)[1].lower()
    if extension in _CAPTIONS and place in ORDER:
        return "caption"
    return "record" if place == RAW else "file"
