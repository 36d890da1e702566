"""dsk blame: where each tag of a caption came from, and the image."""

from __future__ import annotations

import stat as stat_module
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from datakit.actions.project import STAGES, Project
from datakit.errors import UsageError
from datakit.model.item import CAPTION_EXTENSION, IMAGE_EXTENSIONS, RECORD_EXTENSION
from datakit.model.order import RAW
from datakit.model.provenance import Blame, Cause, TagCause
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS, Address, has_item, item_files, resolve_one, split_word
from datakit.repo.operations.handrenames import find_renames, renamed_items
from datakit.repo.past.blaming import Blamer
from datakit.repo.past.sides import edited_side
from datakit.repo.past.tracing import Position
from datakit.repo.worktree.scan import Edit, hash_file, scan
from datakit.tags.captions import spell_tags


def blame(project: Project, word: str, *, stage: str = "", removed: bool = False) -> Blame:
    """Where the tags and the image of an item come from, its hand edits that are not committed yet included.

    Without `stage`, the last one that has the item's caption; with `removed`, also the tags that are missing now.

    Raises:
        UsageError: no such item, no such stage, or the stage does not have the item.
    """
    dataset = project.dataset
    _check_stage(stage)
    address, at, renamed = _find(dataset, word)
    name = _stage(dataset, at, address, stage)
    files = item_files(dataset, at.tree, name, address.key)
    data = dataset.objects.read(files.caption) if files.caption else b""
    words = spell_tags(data.decode("utf-8-sig", "replace"))
    blamer = Blamer(dataset, STAGES.load, renamed=renamed, prepare=project.prepared_at)
    causes = blamer.tags(at, name, address.key, words)
    gone = blamer.removed(at, name, address.key, words) if removed else {}
    return Blame(
        key=address.key,
        stage=name,
        image=blamer.image(at, name, address.key),
        has_caption=files.caption is not None,
        tags=_rows(causes, words),
        removed=_rows(gone, dict.fromkeys(sorted(gone), "")),
    )


def _rows(causes: Mapping[str, Cause], words: Mapping[str, str]) -> tuple[TagCause, ...]:
    return tuple(TagCause(tag=tag, text=text, cause=causes[tag]) for tag, text in words.items())


def _check_stage(stage: str) -> None:
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' with items", hint=hint)


def _find(dataset: Dataset, word: str) -> tuple[Address, Position, Mapping[str, str]]:
    """The item, the state of the dataset with its hand edits, and hand renames: old key → new key."""
    guess = split_word(dataset, word).key
    at = _position(dataset, list(_edits(dataset, guess)))
    address = resolve_one(dataset, at.tree, word)
    if address.key != guess:
        at = _position(dataset, list(_edits(dataset, address.key)))
    if any(has_item(item_files(dataset, dataset.head_tree, name, address.key)) for name in STAGES_OF_ITEMS):
        return address, at, {}
    edits = scan(dataset).edits  # a new name: only all edits together tell whether it is that of a known item
    return address, _position(dataset, edits), renamed_items(find_renames(dataset, dataset.head_tree, edits))


def _position(dataset: Dataset, edits: Sequence[Edit]) -> Position:
    if edits:
        return Position(None, edited_side(dataset, edits).tree)
    return Position(dataset.head, dataset.head_tree)


def _edits(dataset: Dataset, key: str) -> Iterator[Edit]:
    """Hand edits of one item: its own files are read, and no others."""
    hashed: dict[tuple[int, int], bytes] = {}
    for stage in STAGES_OF_ITEMS:
        head = item_files(dataset, dataset.head_tree, stage, key)
        known = {f"{stage}/{path}": blob for path, blob in head.images.items()}
        known |= {f"{stage}/{key}.{CAPTION_EXTENSION}": head.caption} if head.caption else {}
        known |= {f"{stage}/{key}.{RECORD_EXTENSION}": head.record} if head.record else {}
        extensions = {*IMAGE_EXTENSIONS, CAPTION_EXTENSION, *([RECORD_EXTENSION] if stage == RAW else [])}
        possible = {f"{stage}/{key}.{extension}" for extension in extensions}
        for path in sorted(known.keys() | possible):
            old, new = known.get(path), _standing(dataset.root, path, hashed)
            if old != new:
                yield Edit(path, old, new)


def _standing(root: Path, path: str, hashed: dict[tuple[int, int], bytes]) -> bytes | None:
    """Blob id of what stands at a path of the work tree; stages that share an image share the reading of it."""
    try:
        stat = (root / path).lstat()
    except OSError:
        return None
    if not stat_module.S_ISREG(stat.st_mode):
        return None
    known = (stat.st_dev, stat.st_ino)
    if known not in hashed:
        hashed[known] = hash_file(root, path)
    return hashed[known]


def _stage(dataset: Dataset, at: Position, address: Address, stage: str) -> str:
    """The stage asked for, else the one whose file was named, else the last that has a caption, or the image."""
    files = {name: item_files(dataset, at.tree, name, address.key) for name in STAGES_OF_ITEMS}
    having = [name for name, item in files.items() if has_item(item)]
    asked = stage or (address.stage if address.stage in STAGES_OF_ITEMS else "")
    if asked and asked not in having:
        places = f"it is in {', '.join(having)}" if having else "dsk status"
        raise UsageError(f"{address.key} is not in {asked}", hint=places)
    captioned = [name for name in having if files[name].caption is not None]
    return asked or (captioned or having)[-1]
