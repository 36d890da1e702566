"""Items written back into the stages, under another name where theirs is taken by now."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from datakit.errors import StateError
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS
from datakit.repo.operations.renaming import Names
from datakit.repo.operations.transaction import Transaction
from datakit.repo.oplog import first_parent
from datakit.repo.past.itemlog import NOTHING, Held, ItemFinder
from datakit.repo.past.rebasing import Rebased, Returned, rebase_items

_SHOWN = 3


class Source(NamedTuple):
    """What a stage had of an item once."""

    commit: bytes
    key: str
    """What the item was called then."""
    held: Held


class Plan(msgspec.Struct, frozen=True):
    """What is to be written of one item."""

    key: str
    files: dict[str, Source]
    """By stage."""
    is_other: bool = False
    """Whether the name belongs to another item now."""
    fills: bool = False
    """Whether captions and records that stand there stay."""


class RestoredItem(msgspec.Struct, frozen=True, kw_only=True):
    """One item that is back."""

    key: str
    """What it is called now."""
    was: str = ""
    """What it was called, where that name belongs to another item by now."""
    stages: dict[str, str]
    """Stage → the commit whose files it got, 40 hex digits."""


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the history of an item under another name goes on; kept among the arguments of the operation."""

    was: str
    commit: str
    """40 hex digits."""


class Written(NamedTuple):
    """What a transaction has to commit."""

    items: list[RestoredItem]
    origins: dict[str, Origin]
    """New key → where it comes from, of items under another name."""
    rebased: Rebased


def write_back(txn: Transaction, plans: Sequence[Plan]) -> Written:
    """Set the files of all items, and let the stages' locks know them."""
    writer = _Writer(txn)
    items = [writer.put(plan) for plan in plans]
    rows = list(zip(plans, items, strict=True))
    returned = [Returned(stage, one.key, it.commit, it.key) for plan, one in rows for stage, it in plan.files.items()]
    origins = {one.key: _origin(txn, plan) for plan, one in rows if one.was}
    return Written(items, origins, rebase_items(txn.dataset, txn.tree(), returned))


def refuse_absent(dataset: Dataset, plans: Iterable[Plan]) -> None:
    """An image that this clone lacks would come back as a pointer's text.

    Raises:
        StateError: names the images.
    """
    absent = []
    for plan in plans:
        for stage, source in plan.files.items():
            for extension, blob in source.held.images:
                path = f"{stage}/{plan.key}.{extension}"
                ref = dataset.image_ref(path, blob)
                if ref is not None and ref.size_bytes and not dataset.lfs.has(ref):
                    absent.append(path)
    if absent:
        more = f" and {len(absent) - _SHOWN:,} more" if len(absent) > _SHOWN else ""
        raise StateError(
            f"this clone lacks the content of {', '.join(absent[:_SHOWN])}{more}",
            hint="git lfs fetch --all brings every image here; then run it again",
        )


def other_names(dataset: Dataset, key: str, files: Mapping[str, Source]) -> Iterator[str]:
    """What an item can be called whose name is taken: `-<6 hex of sha256>`, or with all of it."""
    stage, (_, _, held) = next(iter(files.items()))
    extension, blob = held.images[0] if held.images else ("", held.caption or held.record or b"")
    ref = dataset.image_ref(f"{stage}/{key}.{extension}", blob)
    digest = ref.sha256 if ref else blob.hex()
    yield from (f"{key}-{digest[:6]}", f"{key}-{digest}")


def _origin(txn: Transaction, plan: Plan) -> Origin:
    """The newest of the commits that an item comes from."""
    sources = {source.commit: source.key for source in plan.files.values()}
    at = txn.base
    while at is not None and at not in sources:
        at = first_parent(txn.dataset, at)
    commit = at or next(iter(sources))
    return Origin(was=sources[commit], commit=commit.hex())


class _Writer:
    """The writing of one operation; each folder is read once."""

    def __init__(self, txn: Transaction) -> None:
        self._txn = txn
        self._finder = ItemFinder(txn.dataset)
        self._names = [Names(txn.dataset, txn.base_tree, stage) for stage in STAGES_OF_ITEMS]

    def put(self, plan: Plan) -> RestoredItem:
        """Set the files of one item."""
        key = plan.key
        if plan.is_other or self._is_taken(key, {key: key}):
            key = self._free_name(plan)
        now = self._finder.state(self._txn.base_tree, key)
        for stage, (_, _, held) in plan.files.items():
            rows: dict[str, bytes | None] = dict.fromkeys(now.get(stage, NOTHING).files(key))
            if plan.fills:
                rows = {path: blob for path, blob in held.files(key).items() if path not in rows}
            else:
                rows |= held.files(key)
            for path, blob in rows.items():
                self._txn.put_blob(f"{stage}/{path}", blob)
        stages = {stage: source.commit.hex() for stage, source in plan.files.items()}
        return RestoredItem(key=key, was=plan.key if key != plan.key else "", stages=stages)

    def _is_taken(self, key: str, leaving: Mapping[str, str]) -> bool:
        """Whether another item has the name, maybe in other letters' case."""
        return any(names.holder(key, leaving) for names in self._names)

    def _free_name(self, plan: Plan) -> str:
        """Another name for an item whose own is taken; one that it has already may be had again."""
        for name in other_names(self._txn.dataset, plan.key, plan.files):
            state = self._finder.state(self._txn.base_tree, name)
            is_own = any(state.get(stage, NOTHING).images == it.held.images for stage, it in plan.files.items())
            if is_own or not self._is_taken(name, {}):
                return name
        raise StateError(f"{plan.key} has another item's name, and {name} is taken too", hint="dsk mv renames items")
