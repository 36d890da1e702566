"""dsk restore: items as they once were, image, caption and record together."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import msgspec

from datakit.actions.project import Counted, Project
from datakit.errors import ConfigError, UsageError
from datakit.model.order import RAW
from datakit.registry import nearest
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS, Address, is_pattern, resolve, split_word, typed
from datakit.repo.operations.machine import machine_commit
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.oplog import first_parent, machine_tip, read_operation
from datakit.repo.past.itemlog import NOTHING, ItemFinder, State, renames_of
from datakit.repo.past.lives import Life, Moment, Past, is_same_item, lives, newest, read_past
from datakit.repo.past.pastitems import is_there, last_seen, resolve_ever
from datakit.repo.past.returning import Plan, RestoredItem, Source, other_names, refuse_absent, write_back
from datakit.repo.revisions import resolve_revision
from datakit.repo.transitions.pipeline import staleness

_SHORT = 10
_SHOWN = 3


class Restored(msgspec.Struct, frozen=True, kw_only=True):
    """What `dsk restore` did."""

    commit: str
    """40 hex digits; '' when everything stood so already."""
    subject: str
    items: tuple[RestoredItem, ...]
    unchanged: tuple[str, ...] = ()
    """Items that stood so already."""
    stale: tuple[str, ...] = ()
    """Stages that must run again now."""


def restore(project: Project, words: Sequence[str], *, revision: str = "", stage: str = "") -> Restored:
    """Bring items back: those that are missing as they were last, or any as they were in `revision`.

    Without `stage`, in every stage in which they were and are missing, or differ from the revision.

    Raises:
        UsageError: no such item, revision or stage; an item that is not missing, without a revision.
        StateError: this clone lacks an image.
    """
    if stage and stage not in STAGES_OF_ITEMS:
        like = nearest(stage, list(STAGES_OF_ITEMS))
        hint = f"did you mean '{like}'?" if like else f"one of: {', '.join(STAGES_OF_ITEMS)}"
        raise UsageError(f"no stage '{stage}' for this", hint=hint)
    dataset = project.dataset
    with transaction(dataset, "restore") as txn:
        commit = resolve_revision(dataset, revision) if revision else None
        if commit is not None:
            plans = list(_from_revision(dataset, words, stage, revision, commit))
        else:
            plans = list(_missing(dataset, words, stage))
        refuse_absent(dataset, plans)
        done = _commit(txn, plans, source=commit, stage=stage)
    return msgspec.structs.replace(done, stale=_stale(project)) if done.commit else done


def _stale(project: Project) -> tuple[str, ...]:
    """Stages that must run again; none where the settings cannot be read."""
    dataset = project.dataset
    try:
        return tuple(one.stage.name for one in project.steps() if staleness(dataset, dataset.head_tree, one))
    except ConfigError:
        return ()


def _missing(dataset: Dataset, words: Sequence[str], stage: str) -> Iterator[Plan]:
    """What brings back items that are missing somewhere."""
    done: set[str] = set()
    for word in words:
        named = split_word(dataset, word)
        if is_pattern(word) and not is_there(dataset, dataset.head_tree, word):
            plans = list(_fill_many(dataset, word, named.key, _stages(named, stage)))
        else:
            plans = [_fill(dataset, one.key, _stages(one, stage)) for one in resolve_ever(dataset, word)]
        for plan in plans:
            if plan.key not in done:
                yield plan
            done.add(plan.key)


def _fill_many(dataset: Dataset, word: str, pattern: str, stages: Sequence[str]) -> Iterator[Plan]:
    """What brings every item back that a pattern matches and that is missing somewhere."""
    missing = last_seen(dataset, pattern, stages)
    if not missing:
        resolve_ever(dataset, word)
        raise UsageError(f"nothing that '{word}' names is missing", hint="--from REV brings an earlier version back")
    finder = ItemFinder(dataset)
    for key, places in sorted(missing.items()):
        then = {stage: (commit, finder.state(dataset.tree_of(commit), key)) for stage, commit in places.items()}
        states = [state for _, state in then.values()]
        if _is_one_item([finder.state(dataset.head_tree, key), *states]):
            files = {stage: Source(commit, key, state[stage]) for stage, (commit, state) in then.items()}
            yield Plan(key, files, fills=True)
        else:  # others had the name before
            with contextlib.suppress(UsageError):
                yield _fill(dataset, key, stages)


def _is_one_item(states: Iterable[State]) -> bool:
    """Whether raw had one and the same image, wherever it had one."""
    images = [frozenset(found) for state in states if (found := _raw_images(state))]
    return all(one & images[0] for one in images)


def _raw_images(state: State) -> tuple[tuple[str, bytes], ...]:
    return state.get(RAW, NOTHING).images


def _stages(address: Address, stage: str) -> tuple[str, ...]:
    if stage and address.stage and address.stage != stage:
        raise UsageError(
            f"{address.key} is named in {address.stage}, and --stage says {stage}", hint="leave one of them out"
        )
    wanted = stage or address.stage
    return (wanted,) if wanted else STAGES_OF_ITEMS


def _fill(dataset: Dataset, key: str, stages: Sequence[str]) -> Plan:
    """What brings an item back where it is missing, or the item that had its name before."""
    past = read_past(dataset, key)
    if past.renamed_to:
        raise UsageError(
            f"{key} is not missing: it was renamed {past.renamed_to}", hint=f"dsk log {typed(past.renamed_to)}"
        )
    found = lives(past.moments)
    files = _gaps(past.now, found[0], stages) if found else {}
    if files:
        return Plan(key, files, fills=True)
    for life in found[1:]:
        there = newest(life, stages)
        if there and not _is_back(dataset, key, there):
            return Plan(key, _files(there), is_other=True)
    raise _not_missing(key, past, stages)


def _gaps(now: State, life: Life, stages: Iterable[str]) -> dict[str, Source]:
    """The stages that lack the item, or its image, with what they had."""
    return {
        stage: row
        for stage, row in _files(newest(life, stages)).items()
        if stage not in now or (row.held.images and not now[stage].images)
    }


def _files(moments: Mapping[str, Moment]) -> dict[str, Source]:
    return {stage: Source(moment.commit, moment.key, moment.state[stage]) for stage, moment in moments.items()}


def _is_back(dataset: Dataset, key: str, there: Mapping[str, Moment]) -> bool:
    """Whether an item whose name was taken is back already, under another one."""
    finder = ItemFinder(dataset)
    for name in other_names(dataset, key, _files(there)):
        state = finder.state(dataset.head_tree, name)
        if any(state.get(stage, NOTHING).images == moment.state[stage].images for stage, moment in there.items()):
            return True
    return False


def _not_missing(key: str, past: Past, stages: Sequence[str]) -> UsageError:
    if any(stage not in past.now for stage in stages):
        where = stages[0] if len(stages) == 1 else "the stages that lack it"
        return UsageError(f"{key} was never in {where}: there is nothing to restore", hint=f"dsk why {typed(key)}")
    where = f"from {stages[0]}" if len(stages) == 1 else "from any stage"
    others = []
    seen = {name: [past.now.get(name)] for name in stages}
    for moment in past.moments[1:]:
        differing = [name for name in stages if name in moment.state and moment.state[name] not in seen[name]]
        for name in differing:
            seen[name].append(moment.state[name])
        if differing:
            others.append(f"{moment.commit.hex()[:_SHORT]} ({', '.join(differing)})")
    if not others:
        return UsageError(f"{key} is not missing {where}, and never was otherwise", hint=f"dsk log {typed(key)}")
    return UsageError(
        f"{key} is not missing {where}; --from REV says which earlier version is to come back",
        hint=f"it was otherwise in {', '.join(others[:_SHOWN])}; dsk log {typed(key)}",
    )


def _from_revision(dataset: Dataset, words: Sequence[str], stage: str, revision: str, commit: bytes) -> Iterator[Plan]:
    """What makes items what they were in a commit."""
    finder = ItemFinder(dataset)
    tree = dataset.tree_of(commit)
    renames = _renames_since(dataset, commit)
    done: set[str] = set()
    for word in words:
        for address, then in _named(dataset, word, tree, renames):
            if address.key in done:
                continue
            done.add(address.key)
            stages = _stages(address, stage)
            old, now = finder.state(tree, then), finder.state(dataset.head_tree, address.key)
            if not any(name in old for name in stages):
                where = f"in {stages[0]} of {revision}" if len(stages) == 1 else f"in {revision}"
                hint = f"dsk log {typed(address.key)} shows when it was there"
                raise UsageError(f"{address.key} is not {where}", hint=hint)
            is_known = not now or (_raw_images(now) and _raw_images(now) == _raw_images(old))
            is_other = not is_known and not is_same_item(dataset, address.key, then, commit)
            wanted = [name for name in stages if name in old and (is_other or old[name] != now.get(name))]
            files = {name: Source(commit, then, old[name]) for name in wanted}
            yield Plan(address.key, files, is_other=is_other)


def _named(
    dataset: Dataset, word: str, tree: bytes | None, renames: Sequence[Mapping[str, str]]
) -> Iterator[tuple[Address, str]]:
    """(the item as it is called now, its key in the revision) for a word that may mean either."""
    named = split_word(dataset, word)
    if not is_pattern(word) and ("/" not in named.key or is_there(dataset, dataset.head_tree, named.key)):
        try:
            for address in resolve(dataset, dataset.head_tree, [word]):
                key = address.key
                for renamed in renames:
                    key = next((old for old, new in renamed.items() if new == key), key)
                yield address, key
        except UsageError:
            pass
        else:
            return
    for address in resolve(dataset, tree, [word]):
        key = address.key
        for renamed in reversed(renames):
            key = renamed.get(key, key)
        yield address._replace(key=key), address.key


def _renames_since(dataset: Dataset, commit: bytes) -> list[Mapping[str, str]]:
    """What was renamed from a commit of this branch to HEAD, newest first; nothing for one of another branch."""
    found: list[Mapping[str, str]] = []
    at = dataset.head
    while at is not None and at != commit:
        renamed = renames_of(dataset, read_operation(dataset, at))
        found += [renamed] if renamed else []
        at = first_parent(dataset, at)
    return found if at == commit else []


def _commit(txn: Transaction, plans: Sequence[Plan], *, source: bytes | None, stage: str) -> Restored:
    dataset = txn.dataset
    unchanged = tuple(plan.key for plan in plans if not plan.files)
    plans = [plan for plan in plans if plan.files]
    if not plans:
        return Restored(commit="", subject="", items=(), unchanged=unchanged)
    items, origins, rebased = write_back(txn, plans)
    txn.args = {
        "items": [one.was or one.key for one in items],
        "from": source.hex() if source else "",
        "stage": stage,
        "as": msgspec.to_builtins(origins) or None,
    }
    subject = f"restore: {_told(items)}"
    machine = None
    if rebased.made:
        tip = machine_tip(dataset)
        machine = machine_commit(dataset, [tip] if tip else [], rebased.made, subject=subject)
    commit = txn.commit(subject, machine=machine, tree=rebased.tree) or ""
    return Restored(commit=commit, subject=subject, items=tuple(items), unchanged=unchanged)


def _told(items: Sequence[RestoredItem]) -> str:
    what = items[0].key if len(items) == 1 else str(Counted(len(items), "item"))
    if len(items) == 1 and items[0].was:
        what = f"{items[0].was} as {items[0].key}"
    commits = list(dict.fromkeys(commit[:_SHORT] for one in items for commit in one.stages.values()))
    source = " and ".join(commits) if len(commits) < _SHOWN else Counted(len(commits), "commit")
    return f"{what} from {source} ({tell_stages({stage for one in items for stage in one.stages})})"


def tell_stages(stages: Iterable[str]) -> str:
    """`raw, wip`; from three in a row on, `edited to wip`."""
    wanted = set(stages)
    names = [stage for stage in STAGES_OF_ITEMS if stage in wanted]
    first, last = (STAGES_OF_ITEMS.index(name) for name in (names[0], names[-1]))
    is_row = last - first + 1 == len(names) >= _SHOWN
    return f"{names[0]} to {names[-1]}" if is_row else ", ".join(names)
