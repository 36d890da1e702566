"""dsk keep and dsk drop: what a person decides about items, against a stage's rules and across conflicts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Final

import msgspec

from datakit.actions.project import Counted, Project
from datakit.errors import DskError, StateError, UsageError
from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.order import COMPUTED, RAW, before
from datakit.model.record import encode_json
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import (
    STAGES_OF_ITEMS,
    Address,
    has_item,
    item_files,
    renamed_to,
    resolve,
    split_word,
    typed,
)
from datakit.repo.operations.renaming import Names
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.oplog import history
from datakit.repo.past.pastitems import was_ever
from datakit.repo.stagetree import TreeView, read_lock

_FIRST: Final = COMPUTED[0]
_SHORT_REASON: Final = 60
_LOOKED_THROUGH: Final = 200
"""Operations, the newest, among which a drop is looked for."""


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one item in one stage."""

    key: str
    stage: str
    what: str
    """dropped, kept (it came back), or decided (a conflict)."""
    reason: str = ""
    """What the person says, of a drop."""
    rule: str = ""
    """The rule that is overruled."""
    rule_reason: str = ""
    """What that rule says."""
    files: tuple[str, ...] = ()
    """Paths that changed, or that had a conflict."""
    is_gone: bool = False
    """Whether the side that was taken is that there is no such file any more."""


class Skipped(msgspec.Struct, frozen=True, kw_only=True):
    """An item that was meant with others, and to which it does not apply."""

    key: str
    why: str


class Decided(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk keep` or `dsk drop` did."""

    commit: str
    """40 hex digits."""
    subject: str
    decisions: tuple[Decision, ...]
    skipped: tuple[Skipped, ...] = ()


def drop(project: Project, words: Sequence[str], *, reason: str, stage: str = "") -> Decided:
    """Take items out of a stage: the one that a path names, else `stage`, else the first after raw.

    Of several items, those that are not in the stage are left alone.

    Raises:
        UsageError: no such item or stage, or no reason.
        StateError: the stage has none of the items.
    """
    reason = " ".join(reason.split())
    if not reason:
        raise UsageError("a reason is needed: it is what dsk why tells later", hint='--reason "blurry"')
    _check_stage(stage, STAGES_OF_ITEMS)
    dataset = project.dataset
    with transaction(dataset, "drop") as txn:
        names: dict[str, Names] = {}
        decisions: list[Decision] = []
        skipped: list[Skipped] = []
        addresses = _addresses(dataset, txn.base_tree, words, stage, default=_FIRST)
        for key, place in addresses:
            if place not in names:
                names[place] = Names(dataset, txn.base_tree, place)
            found = names[place].files(key)
            if not found:
                skipped.append(Skipped(key=key, why=f"not in {place}"))
                continue
            paths = tuple(f"{place}/{path}" for path in sorted(found))
            for path in paths:
                txn.put_blob(path, None)
            decisions.append(Decision(key=key, stage=place, what="dropped", reason=reason, files=paths))
        if not decisions:
            raise _nothing_left(words, skipped, _not_there(dataset, txn.base_tree, *addresses[0]))
        txn.args = {"items": [f"{one.stage}/{one.key}" for one in decisions], "reason": reason}
        told = f": {reason}" if len(reason) <= _SHORT_REASON else ""
        return _commit(txn, decisions, skipped, f"drop: {_things(decisions)} from {_places(decisions)}{told}")


def keep(project: Project, words: Sequence[str], *, stage: str = "", theirs: bool = False) -> Decided:
    """Decide conflicts of items, or bring items back into the first stage that lacks them, or into `stage`.

    A conflict is decided for the file as it stands, or with `theirs` for the one that the stage's function made. Of
    several items, those that need no decision are left alone.

    Raises:
        UsageError: no such item or stage, or an item that needs no decision.
        StateError: the stage before lacks the item too, or the stage has not seen it yet.
    """
    _check_stage(stage, COMPUTED)
    dataset = project.dataset
    with transaction(dataset, "keep") as txn:
        addresses = _addresses(dataset, txn.base_tree, words, stage, default="")
        keys = {key: place if place in COMPUTED else "" for key, place in addresses}
        locks = {name: lock for name in COMPUTED if (lock := read_lock(dataset, txn.base_tree, name))}
        decisions = _decide_conflicts(txn, locks, keys, theirs=theirs)
        in_conflict = {one.key for one in decisions}
        skipped: list[Skipped] = []
        failure: DskError | None = None
        for key, place in keys.items():
            if key in in_conflict:
                continue
            try:
                decisions.append(_rescue(txn, locks, key, place, theirs=theirs))
            except (StateError, UsageError) as error:
                failure = failure or error
                skipped.append(Skipped(key=key, why=error.message.removeprefix(key).lstrip(": ")))
        if failure is not None and not decisions:
            raise _nothing_left(words, skipped, failure)
        txn.args = {"items": [f"{one.stage}/{one.key}" for one in decisions], "theirs": theirs}
        return _commit(txn, decisions, skipped, f"keep: {_kept(decisions, theirs=theirs)}")


def _nothing_left(words: Sequence[str], skipped: Sequence[Skipped], first: DskError) -> DskError:
    """The error where not one item is left to which it applies; `first` is the first item's."""
    if len(skipped) == 1:
        return first
    named = f"'{words[0]}'" if len(words) == 1 else "these words"
    return StateError(f"none of the {len(skipped):,} items of {named}: {first.message}", hint=first.hint)


def _check_stage(stage: str, stages: Sequence[str]) -> None:
    if stage and stage not in stages:
        like = nearest(stage, list(stages))
        raise UsageError(
            f"no stage '{stage}' for this", hint=f"did you mean '{like}'?" if like else f"one of: {', '.join(stages)}"
        )


def _addresses(
    dataset: Dataset, root: bytes | None, words: Sequence[str], stage: str, *, default: str
) -> list[tuple[str, str]]:
    """(key, stage) of every item that is meant, each once; an item need not be in the stage that it is wanted for."""
    found: dict[tuple[str, str], None] = {}
    for word in words:
        named = split_word(dataset, word)
        for item in _resolved(dataset, root, word, named):
            if stage and item.stage and item.stage != stage:
                raise UsageError(f"'{word}' is in {item.stage}, and --stage says {stage}", hint="leave one of them out")
            found[item.key, stage or item.stage or default] = None
    return list(found)


def _resolved(dataset: Dataset, root: bytes | None, word: str, named: Address) -> list[Address]:
    try:
        if named.stage in STAGES_OF_ITEMS and not has_item(item_files(dataset, root, named.stage, named.key)):
            return [Address(item.key, named.stage) for item in resolve(dataset, root, [named.key])]
        return resolve(dataset, root, [word])
    except UsageError as error:
        if renamed_to(dataset, named.key) or not was_ever(dataset, named.key):
            raise
        raise UsageError(
            f"{named.key} is in no stage any more", hint=f"dsk restore {typed(named.key)} brings it back"
        ) from error


def _not_there(dataset: Dataset, root: bytes | None, key: str, stage: str) -> StateError:
    lock = read_lock(dataset, root, stage) if stage != RAW else None
    drop = lock.dropped.get(key) if lock else None
    if drop is not None:
        return StateError(f"{key} is dropped from {stage} already: {drop.rule}, {drop.reason}", hint=_ask(key))
    reason = _reason_of_drop(dataset, key, stage)
    if reason:
        return StateError(f"{key} is dropped from {stage} already: {reason}", hint=_ask(key))
    here = [name for name in STAGES_OF_ITEMS if has_item(item_files(dataset, root, name, key))]
    hint = (
        f"dsk advance {stage} comes first" if here in ([RAW], []) else f"it is in {', '.join(here)}: --stage {here[-1]}"
    )
    return StateError(f"{key} is not in {stage}", hint=hint)


def _ask(key: str) -> str:
    return f"dsk why {typed(key)}"


def _reason_of_drop(dataset: Dataset, key: str, stage: str) -> str:
    """Why a person dropped an item from a stage, as one of the newest operations tells; '' where none does."""
    for operation in islice(history(dataset), _LOOKED_THROUGH):
        if operation.op == "drop" and f"{stage}/{key}" in operation.args.get("items", ()):
            return str(operation.args.get("reason", ""))
    return ""


def _decide_conflicts(
    txn: Transaction, locks: Mapping[str, Lock], keys: Mapping[str, str], *, theirs: bool
) -> list[Decision]:
    """Take the conflicts of the items out of the locks; `keys` has the one stage that is meant, '' for all."""
    decisions = []
    for stage, lock in locks.items():
        mine: dict[str, list[str]] = defaultdict(list)
        for path in sorted(lock.conflicts):
            key = split_path(path)[0]
            if keys.get(key, stage) in {stage, ""} and key in keys:
                mine[key].append(path)
        if not mine:
            continue
        decided = {path for paths in mine.values() for path in paths}
        left = {path: conflict for path, conflict in lock.conflicts.items() if path not in decided}
        txn.put(f"{stage}/{LOCK_NAME}", encode_json(msgspec.structs.replace(lock, conflicts=left)))
        made = TreeView(txn.dataset, bytes.fromhex(lock.auto) or None)
        for key, paths in mine.items():
            if theirs:
                for path in paths:
                    _take_theirs(txn, stage, made, path, lock.conflicts[path])
            files = tuple(f"{stage}/{path}" for path in paths)
            gone = theirs and not any(lock.conflicts[path].theirs for path in paths)
            decisions.append(Decision(key=key, stage=stage, what="decided", files=files, is_gone=gone))
    return decisions


def _take_theirs(txn: Transaction, stage: str, made: TreeView, path: str, conflict: Conflict) -> None:
    """Put the function's file in the place of a person's; it may have another extension, or there may be none."""
    key = split_path(path)[0]
    their = bytes.fromhex(conflict.theirs)
    places = [name for name, blob in made.item(key).images.items() if blob == their] if their else []
    goal = path if made.blob(path) == their or not places else places[0]
    txn.put_blob(f"{stage}/{path}", None)
    if their:
        txn.put_blob(f"{stage}/{goal}", their)
    else:
        txn.put_blob(f"{stage}/{key}.{CAPTION_EXTENSION}", None)


def _rescue(txn: Transaction, locks: Mapping[str, Lock], key: str, stage: str, *, theirs: bool) -> Decision:
    """Bring an item back into a stage from the stage before, or as the stage's function made it."""
    dataset, root = txn.dataset, txn.base_tree
    stage = stage or _first_without(dataset, root, key)
    if not stage or item_files(dataset, root, stage, key).images:
        where = f"in {stage}" if stage else "in every stage"
        raise UsageError(f"{key} is {where} and has no conflict to decide", hint="dsk status shows conflicts")
    if theirs:
        raise UsageError(f"{key} has no conflict, so there is no other side to take", hint="leave --theirs out")
    source = item_files(dataset, root, before(stage), key)
    if not source.images:
        raise StateError(
            f"{key}: {before(stage)} does not have it either",
            hint=f"dsk keep {typed(key)} brings it back step by step, from the first stage that lacks it",
        )
    lock = locks.get(stage)
    made = TreeView(dataset, bytes.fromhex(lock.auto) or None).item(key) if lock else None
    verdict = lock.dropped.get(key) if lock else None
    if verdict is None and (made is None or not made.images):
        raise StateError(f"{key} has not come to {stage} yet", hint=f"dsk advance {stage} takes it there")
    rows = dict(made.images if made and made.images else source.images)
    caption = made.caption if made and made.images else source.caption if before(stage) != RAW else None
    if caption is not None:
        rows[f"{key}.{CAPTION_EXTENSION}"] = caption
    for path, blob in rows.items():
        txn.put_blob(f"{stage}/{path}", blob)
    return Decision(
        key=key,
        stage=stage,
        what="kept",
        rule=verdict.rule if verdict else "",
        rule_reason=verdict.reason if verdict else "",
        files=tuple(f"{stage}/{path}" for path in sorted(rows)),
    )


def _first_without(dataset: Dataset, root: bytes | None, key: str) -> str:
    """The first stage after raw that lacks an item's image; '' where all have it.

    Raises:
        StateError: raw lacks it.
    """
    if not item_files(dataset, root, RAW, key).images:
        here = [name for name in COMPUTED if item_files(dataset, root, name, key).images]
        if not here:
            raise StateError(f"{key} is in no stage, so there is nothing to bring back", hint="dsk import PATH")
        return next((name for name in COMPUTED[COMPUTED.index(here[0]) :] if name not in here), "")
    return next((name for name in COMPUTED if not item_files(dataset, root, name, key).images), "")


def _commit(txn: Transaction, decisions: Sequence[Decision], skipped: Sequence[Skipped], subject: str) -> Decided:
    stages = {one.stage for one in decisions}
    commit = txn.commit(subject, trailers={"Stage": stages.pop()} if len(stages) == 1 else None)
    return Decided(commit=commit or "", subject=subject, decisions=tuple(decisions), skipped=tuple(skipped))


def _things(decisions: Sequence[Decision]) -> str:
    keys = {one.key for one in decisions}
    return keys.pop() if len(keys) == 1 else str(Counted(len(keys), "item"))


def _places(decisions: Iterable[Decision]) -> str:
    return _listed(stage for stage in STAGES_OF_ITEMS if stage in {one.stage for one in decisions})


def _listed(names: Iterable[str]) -> str:
    *some, last = names
    return f"{', '.join(some)} and {last}" if some else last


def _kept(decisions: Sequence[Decision], *, theirs: bool) -> str:
    return "; ".join(_kept_parts(decisions, theirs=theirs))


def _kept_parts(decisions: Sequence[Decision], *, theirs: bool) -> Iterator[str]:
    back = [one for one in decisions if one.what == "kept"]
    if back:
        rules = sorted({one.rule for one in back} - {""})
        over = f" (overrules {_listed(rules)})" if rules else ""
        yield f"{_things(back)} in {_places(back)}{over}"
    decided = [one for one in decisions if one.what == "decided"]
    if decided:
        side = "theirs taken" if theirs else "as it is" if len(decided) == 1 else "as they are"
        yield f"{_things(decided)} in {_places(decided)}, {side}"
