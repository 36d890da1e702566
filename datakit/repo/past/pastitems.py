"""Items that are no more: looked up in the history of the branch, however a person names them."""

from __future__ import annotations

import bisect
import fnmatch
from collections.abc import Callable, Iterator, Sequence

from datakit.errors import UsageError
from datakit.model.item import is_image, split_path, stem_of
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS as STAGES
from datakit.repo.items import Address, has_item, is_pattern, item_files, known_keys, resolve, split_word, typed
from datakit.repo.oplog import read_operation
from datakit.repo.past.itemlog import NOTHING, ItemFinder, renames_of
from datakit.store.objects import FILE_MODE, TREE_MODE, Entry, Objects, parse_tree

_FILE_LINE = FILE_MODE + b" "
_OID_AND_NUL = 21


def resolve_ever(dataset: Dataset, word: str) -> list[Address]:
    """The items that a word names, now or at any time on this branch.

    What it names now comes first; a pattern names both, any other word what is gone only where nothing is left.

    Raises:
        UsageError: it names none, or a stem that several had.
    """
    named = split_word(dataset, word)
    root = dataset.head_tree
    if is_pattern(word) and not is_there(dataset, root, word):
        return _matching(dataset, word, named)
    for key in (named.key, word):
        if is_there(dataset, root, key) or ("/" in key and was_ever(dataset, key)):
            return [Address(key, named.stage if named.stage in STAGES else "")]
    try:
        return resolve(dataset, root, [word])
    except UsageError:
        has_several = any(stem_of(key) == named.key for key in known_keys(dataset, root))
        gone = [] if has_several else sorted(key for key in gone_keys(dataset) if stem_of(key) == named.key)
        if not gone:
            raise
    if len(gone) > 1:
        raise UsageError(f"'{word}' could be {' or '.join(gone[:3])}", hint=f"write {typed(gone[0])}")
    return [Address(gone[0], "")]


def resolve_one_ever(dataset: Dataset, word: str) -> Address:
    """The one item that a word names, now or at any time.

    Raises:
        UsageError: it names none, or several.
    """
    found = resolve_ever(dataset, word)
    if len(found) > 1:
        names = ", ".join(address.key for address in found[:3])
        raise UsageError(f"'{word}' names {len(found):,} items ({names}, …)", hint="name one")
    return found[0]


def _matching(dataset: Dataset, word: str, named: Address) -> list[Address]:
    failure: UsageError | None = None
    found: dict[Address, None] = {}
    try:
        found.update(dict.fromkeys(resolve(dataset, dataset.head_tree, [word])))
    except UsageError as error:
        failure = error
    stage = named.stage if named.stage in STAGES else ""
    keys = sorted(gone_keys(dataset, (stage,) if stage else STAGES))
    found.update((Address(key, stage), None) for key in keys if fnmatch.fnmatchcase(key, named.key))
    if failure is not None and not found:
        raise failure
    return list(found)


def is_there(dataset: Dataset, root: bytes | None, key: str) -> bool:
    """Whether any stage of the tree `root` has a file of the item."""
    return any(has_item(item_files(dataset, root, stage, key)) for stage in STAGES)


def was_ever(dataset: Dataset, key: str) -> bool:
    """Whether any commit of the branch has an item of this name."""
    finder = ItemFinder(dataset)
    return any(finder.state(root, key) for _, root in _line(dataset))


def gone_keys(dataset: Dataset, stages: Sequence[str] = STAGES) -> set[str]:
    """Keys of the items that lost an image in any of `stages` at any time."""
    found: set[str] = set()
    finder = ItemFinder(dataset)
    newer: bytes | None = None
    for position, (_, root) in enumerate(_line(dataset)):
        if position and root != newer:
            before, after = finder.stages(root), finder.stages(newer)
            for stage in stages:
                paths = _removed(dataset.objects, before.get(stage), after.get(stage))
                found.update(split_path(path)[0] for path in paths if is_image(path))
        newer = root
    return found


def last_seen(dataset: Dataset, pattern: str, stages: Sequence[str]) -> dict[str, dict[str, bytes]]:
    """Key → stage → the newest commit that had the item's image, of items that `pattern` matches and that lack it now.

    Items that were renamed are not missing. Costs what was removed on the branch.
    """
    finder = ItemFinder(dataset)
    now = dataset.head_tree
    found: dict[str, dict[str, bytes]] = {}
    settled: set[tuple[str, str]] = set()
    renamed: set[str] = set()
    newer: tuple[bytes, bytes | None] | None = None
    for commit, root in _line(dataset):
        if newer is not None and root != newer[1]:
            before, after = finder.stages(root), finder.stages(newer[1])
            gone = {
                (stage, split_path(path)[0])
                for stage in stages
                for path in _removed(dataset.objects, before.get(stage), after.get(stage))
                if is_image(path)
            }
            gone = {one for one in gone - settled if fnmatch.fnmatchcase(one[1], pattern) and one[1] not in renamed}
            renamed.update(renames_of(dataset, read_operation(dataset, newer[0])) if gone else ())
            settled |= gone
            for stage, key in gone:
                if key not in renamed and not finder.state(now, key).get(stage, NOTHING).images:
                    found.setdefault(key, {})[stage] = commit
        newer = commit, root
    return found


def _line(dataset: Dataset) -> Iterator[tuple[bytes, bytes | None]]:
    """(commit, tree) of every commit of the branch, newest first."""
    commit = dataset.head
    while commit is not None:
        found = dataset.commit(commit)
        yield commit, bytes(found.tree_id.raw)
        parents = found.parent_ids
        commit = bytes(parents[0].raw) if parents else None


def _removed(objects: Objects, old: bytes | None, new: bytes | None, prefix: str = "") -> Iterator[str]:
    """Files of the tree `old` that `new` lacks; what only `new` has is not read."""
    if old is None or old == new:
        return
    before, after = _unlike(objects.read(old), objects.read(new) if new else b"")
    for name, line in before.items():
        other = after.get(name)
        if line == other:
            continue
        if line.mode == TREE_MODE:
            below = other.oid if other is not None and other.mode == TREE_MODE else None
            yield from _removed(objects, line.oid, below, f"{prefix}{name}/")
        elif other is None or other.mode == TREE_MODE:
            yield prefix + name


def _unlike(old: bytes, new: bytes) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """The lines of two tree objects, without those that both begin with and both end with.

    Most operations change a few lines of a folder of thousands, and comparing bytes is a hundred times faster.
    """
    shortest = min(len(old), len(new))
    head = _line_start(old, _common(shortest, lambda size: old[:size] == new[:size]))
    rest = shortest - head
    tail = _common(rest, lambda size: old[len(old) - size :] == new[len(new) - size :])
    lines = (side[head : _line_end(side, len(side) - tail)] for side in (old, new))
    before, after = map(parse_tree, lines)
    return before, after


def _common(most: int, is_same: Callable[[int], bool]) -> int:
    """The greatest size up to `most` that is the same, where every smaller one is."""
    return bisect.bisect_left(range(1, most + 1), True, key=lambda size: not is_same(size))


def _line_start(data: bytes, at: int) -> int:
    """Where the line begins that `at` lies in, or one before it."""
    while (at := data.rfind(_FILE_LINE, 0, at)) > 0 and data[at - _OID_AND_NUL] != 0:
        pass
    return max(at, 0)


def _line_end(data: bytes, at: int) -> int:
    """Where the first line begins that lies behind `at`."""
    at -= 1
    while (at := data.find(_FILE_LINE, at + 1)) > 0 and data[at - _OID_AND_NUL] != 0:
        pass
    return at if at >= 0 else len(data)
