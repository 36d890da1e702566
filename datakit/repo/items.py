"""Which items a person means: keys, paths, patterns and bare names, looked up in a tree."""

from __future__ import annotations

import fnmatch
import os
import shlex
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from datakit.errors import UsageError
from datakit.model.item import CAPTION_EXTENSION, RECORD_EXTENSION, is_image, split_path, stem_of
from datakit.model.order import EXPORT, ORDER, RAW
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.oplog import history
from datakit.repo.stagetree import ItemFiles
from datakit.store.objects import FILE_MODE, TREE_MODE, entries, find

STAGES_OF_ITEMS = tuple(stage for stage in ORDER if stage != EXPORT)
_PATTERN = frozenset("*?[")
_ALIKE = 0.75
_LOOKED_THROUGH = 200
"""Operations, the newest, among which a rename is looked for."""


class Address(NamedTuple):
    """An item that a person named."""

    key: str
    """`concept/stem`."""
    stage: str
    """The stage whose file was named; '' when the item itself was."""


def is_pattern(word: str) -> bool:
    """Whether a word may name several items."""
    return not _PATTERN.isdisjoint(word)


def typed(*words: str) -> str:
    """Names as a person types them behind a command: quoted where a shell needs it, behind `--` where they need it."""
    mark = ["--"] if any(word.startswith("-") for word in words) else []
    return " ".join([*mark, *map(_quoted, words)])


def _quoted(word: str) -> str:
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(map(_escaped, word)) + "'"


def _escaped(sign: str) -> str:
    """One sign as `$'…'` of a shell takes it."""
    if sign in "'\\":
        return f"\\{sign}"
    if sign.isprintable():
        return sign
    data = os.fsencode(sign)
    return "".join(f"\\x{byte:02x}" for byte in data)


def item_files(dataset: Dataset, root: bytes | None, stage: str, key: str) -> ItemFiles:
    """The files of one item in one stage of the tree `root`; all empty where it has none.

    Costs the size of the item's folder, not of the stage.
    """
    folder, _, stem = key.rpartition("/")
    found = ItemFiles()
    entry = find(dataset.objects, root, f"{stage}/{folder}".rstrip("/")) if root else None
    if entry is None or entry.mode != TREE_MODE:
        return found
    prefix = f"{folder}/" if folder else ""
    for name, line in dataset.objects.tree(entry.oid).items():
        own, extension = split_path(name)
        if own != stem or line.mode != FILE_MODE:
            continue
        if is_image(name):
            found.images[prefix + name] = line.oid
        elif extension == CAPTION_EXTENSION:
            found.caption = line.oid
        elif extension == RECORD_EXTENSION and stage == RAW:
            found.record = line.oid
    return found


def has_item(item: ItemFiles) -> bool:
    """Whether there is any file of the item."""
    return bool(item.images) or item.caption is not None or item.record is not None


def known_keys(dataset: Dataset, root: bytes | None, stages: Iterable[str] = STAGES_OF_ITEMS) -> set[str]:
    """Keys of every item that has an image in one of `stages`."""
    found: set[str] = set()
    for stage in stages:
        entry = find(dataset.objects, root, stage) if root else None
        if entry is not None and entry.mode == TREE_MODE:
            found.update(split_path(path)[0] for path, _ in entries(dataset.objects, entry.oid) if is_image(path))
    return found


def resolve(dataset: Dataset, root: bytes | None, words: Iterable[str]) -> list[Address]:
    """The items that `words` name, each once, in their order.

    A word is a key (`aria/x`), a file of a stage (`wip/aria/x.png`, also as a path from the current folder), a
    pattern (`aria/*`, `wip/aria/*`), or a stem that only one item has (`x`).

    Raises:
        UsageError: a word names no item, or several; names the nearest.
    """
    found: dict[Address, None] = {}
    for word in words:
        found.update(dict.fromkeys(_resolve(dataset, root, word)))
    return list(found)


def resolve_one(dataset: Dataset, root: bytes | None, word: str) -> Address:
    """The one item that `word` names.

    Raises:
        UsageError: it names none, or several.
    """
    found = resolve(dataset, root, [word])
    if len(found) > 1:
        names = ", ".join(address.key for address in found[:3])
        raise UsageError(f"'{word}' names {len(found):,} items ({names}, …)", hint="name one")
    return found[0]


def split_word(dataset: Dataset, word: str) -> Address:
    """What a word says by itself: (key, stage), of an item that need not exist; extensions are taken off."""
    inside = _inside(dataset, word)
    stage, slash, rest = inside.partition("/")
    if slash and stage in ORDER:
        return Address(_without_extension(rest), stage)
    return Address(_without_extension(inside), "")


def _resolve(dataset: Dataset, root: bytes | None, word: str) -> Iterator[Address]:
    address = split_word(dataset, word)
    stages = (address.stage,) if address.stage in STAGES_OF_ITEMS else STAGES_OF_ITEMS
    for key in (address.key, word):  # a stem may well look as if it had an extension
        if any(has_item(item_files(dataset, root, stage, key)) for stage in stages):
            yield Address(key, address.stage)
            return
    keys = sorted(known_keys(dataset, root, stages))
    if is_pattern(word):
        matches = [key for key in keys if fnmatch.fnmatchcase(key, address.key)]
    else:
        matches = [key for key in keys if stem_of(key) == address.key]
        if len(matches) > 1:
            raise UsageError(f"'{word}' could be {' or '.join(matches[:3])}", hint=f"write {typed(matches[0])}")
    if not matches:
        raise _unknown(dataset, word, address, keys)
    yield from (Address(key, address.stage) for key in matches)


def _unknown(dataset: Dataset, word: str, address: Address, keys: list[str]) -> UsageError:
    where = f" in {address.stage}" if address.stage else ""
    now = "" if is_pattern(word) else renamed_to(dataset, address.key)
    if now in keys:
        return UsageError(f"no item '{word}'{where}: it was renamed {now}", hint=f"write {typed(now)}")
    like = nearest(address.key, keys, cutoff=_ALIKE)
    return UsageError(f"no item '{word}'{where}", hint=f"did you mean '{like}'?" if like else "")


def renamed_to(dataset: Dataset, key: str) -> str:
    """What an item is called now that one of the newest operations renamed; '' where none did."""
    newer: list[dict[str, str]] = []
    for operation in islice(history(dataset), _LOOKED_THROUGH):
        renamed = operation.args.get("renamed")
        if not isinstance(renamed, dict):
            continue
        if key in renamed:
            for names in (renamed, *reversed(newer)):
                key = str(names.get(key, key))
            return key
        newer.append(renamed)
    return ""


def _inside(dataset: Dataset, word: str) -> str:
    """The word as a path inside the dataset, where it is one that exists or is absolute."""
    path = Path(os.path.abspath(word))  # noqa: PTH100  links stay as they are named
    root = Path(os.path.abspath(dataset.root))  # noqa: PTH100
    if path.is_relative_to(root) and path != root and (Path(word).is_absolute() or os.path.lexists(path)):
        return path.relative_to(root).as_posix()
    return word.removeprefix("./").strip("/")


def _without_extension(path: str) -> str:
    stem, extension = split_path(path)
    is_known = is_image(path) or extension.lower() in {CAPTION_EXTENSION, RECORD_EXTENSION}
    return stem if is_known else path
