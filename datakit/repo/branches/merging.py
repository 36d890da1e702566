"""merge3 of two branches: the same merge as a stage's rebuild, for every stage, and for what the functions made."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple, TypeVar

import msgspec
import pygit2

from datakit.config import CONFIG_NAME
from datakit.errors import StateError
from datakit.model.item import CAPTION_EXTENSION, is_image, split_path
from datakit.model.lock import Conflict, Lock
from datakit.model.mergetoml import merge_toml
from datakit.model.order import COMPUTED, EXPORT, ORDER, RAW, before
from datakit.repo.dataset import Dataset
from datakit.repo.layout import is_stored_as_pointer
from datakit.repo.operations.machine import machine_commit
from datakit.repo.operations.matching import match_renames
from datakit.repo.operations.renaming import Made, find_holders, rename_items
from datakit.repo.operations.transaction import Transaction
from datakit.repo.oplog import MERGE, effective, machine_tip, read_operation
from datakit.repo.stagetree import TreeView, read_lock, stage_tree, with_stage
from datakit.repo.transitions.incremental import decisions
from datakit.repo.transitions.merging import merge_stage, still_open
from datakit.store.objects import TREE_MODE, Change, Entry, Value, diff, edit_tree, find

T = TypeVar("T")
PREFER: Final = ("ours", "theirs")
_BAKES: Final = "bakes/"
_UNREAD: Final = b"merged: to be decided anew\n"


class BranchMerge(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge of two branches did."""

    branch: str
    commit: str
    """40 hex digits; '' when the other branch had nothing new."""
    subject: str
    num_operations: int = 0
    """Of the other branch that this one had not."""
    conflicts: tuple[str, ...] = ()
    """Paths that both branches changed; ours stand until a person decides."""
    notes: tuple[str, ...] = ()


class _Sides(NamedTuple):
    """Root trees."""

    base: bytes | None
    ours: bytes
    theirs: bytes


def merge_branch(txn: Transaction, theirs: bytes, name: str, *, prefer: str = "") -> BranchMerge:
    """Bring the commit `theirs` of the branch `name` into the branch that HEAD stands on, as one operation.

    `prefer` (`ours` or `theirs`) decides settings and other texts that both sides changed in one place.

    Raises:
        StateError: the two have no history in common, or both changed the same setting.
    """
    dataset, ours = txn.dataset, txn.base
    if ours is None or txn.base_tree is None:
        raise StateError(f"{dataset.root}: nothing is committed yet", hint="dsk init")
    common = dataset.repo.merge_base(pygit2.Oid(raw=ours), pygit2.Oid(raw=theirs))
    if common is None:
        raise StateError(f"'{name}' and this branch have no history in common", hint="dsk import its raw folder")
    base = bytes(common.raw)
    base = _last_shown(dataset, ours, theirs) or base
    if base == theirs:
        return BranchMerge(branch=name, commit="", subject=f"merge: {name} has nothing new")
    number = _num_new(dataset, base, theirs)
    their_tree = dataset.tree_of(theirs) or b""
    sides, notes = _named_alike(dataset, _Sides(dataset.tree_of(base), txn.base_tree, their_tree), name)
    tree, made, conflicts = sides.ours, Made(), dict[str, Conflict]()
    for stage in (RAW, *COMPUTED):
        tree, found = _merge_stage(dataset, sides, tree, stage, made)
        conflicts |= {f"{stage}/{path}": conflict for path, conflict in found.items()}
    notes += [f"{path}: changed on {name} and removed here; it stays removed" for path in _gone(dataset, sides, tree)]
    tree = _merge_rest(dataset, sides, tree, prefer=prefer, name=name)
    notes += [_of_raw(path, name) for path in conflicts if path.startswith(f"{RAW}/")]
    subject = f"merge: {name}, {number:,} operation{'s' if number != 1 else ''}"
    tips = [tip for tip in dict.fromkeys((machine_tip(dataset, ours), machine_tip(dataset, theirs))) if tip]
    machine = machine_commit(dataset, tips, made, subject=subject) if tips else None
    txn.merges = theirs
    commit = txn.commit(subject, machine=machine, tree=tree)
    return BranchMerge(
        branch=name,
        commit=commit or "",
        subject=subject,
        num_operations=number,
        conflicts=tuple(sorted(path for path in conflicts if not path.startswith(f"{RAW}/"))),
        notes=tuple(notes),
    )


def _last_shown(dataset: Dataset, ours: bytes, theirs: bytes) -> bytes | None:
    """The newest operation that is in what both show: a merge that either side undid does not count."""
    mine, others = _shown(dataset, ours), _shown(dataset, theirs)
    walker = dataset.repo.walk(None, pygit2.enums.SortMode.TOPOLOGICAL | pygit2.enums.SortMode.TIME)
    for tip in (ours, theirs):
        walker.push(pygit2.Oid(raw=tip))
    both = mine & others
    return next((bytes(one.id.raw) for one in walker if bytes(one.id.raw) in both), None)


def _shown(dataset: Dataset, tip: bytes) -> set[bytes]:
    """The operations whose work is in a branch's tip, those of merged branches too; not what was undone."""
    shown: set[bytes] = set()
    left = [tip]
    while left:
        commit = effective(dataset, left.pop())
        if commit in shown:
            continue
        shown.add(commit)
        parents = [bytes(parent.raw) for parent in dataset.commit(commit).parent_ids]
        left += parents[:2] if read_operation(dataset, commit).op in {MERGE, ""} else parents[:1]
    return shown


def _num_new(dataset: Dataset, base: bytes, theirs: bytes) -> int:
    walker = dataset.repo.walk(pygit2.Oid(raw=theirs))
    walker.simplify_first_parent()
    walker.hide(pygit2.Oid(raw=base))
    return sum(1 for _ in walker)


def _of_raw(path: str, name: str) -> str:
    return f"{path}: both branches changed it; yours stays, {name} keeps the other"


def _named_alike(dataset: Dataset, sides: _Sides, name: str) -> tuple[_Sides, list[str]]:
    """The three trees with one name for each item: renames of one side are done in the others too, and an image that
    took a name which another one took on our side gets `-<6 hex of sha256>`, as at import."""
    notes = []
    ours_moved, theirs_moved = _moved(dataset, sides.base, sides.ours), _moved(dataset, sides.base, sides.theirs)
    base = _renamed(dataset, sides.base, ours_moved | {k: v for k, v in theirs_moved.items() if k not in ours_moved})
    again = {theirs_moved.get(old, old): new for old, new in ours_moved.items()}
    theirs = _renamed(dataset, sides.theirs, again) or b""
    ours = _renamed(dataset, sides.ours, {k: v for k, v in theirs_moved.items() if k not in ours_moved}) or b""
    twins = dict(_twins(dataset, _Sides(base, ours, theirs)))
    theirs = _renamed(dataset, theirs, twins) or b""
    raw = TreeView(dataset, stage_tree(dataset, theirs, RAW))
    parted = {old: new for old, new in twins.items() if raw.item(new).images}
    notes += [f"{old} of {name} is another image, and is called {new} now" for old, new in parted.items()]
    return _Sides(base, ours, theirs), notes


def _moved(dataset: Dataset, base: bytes | None, side: bytes) -> dict[str, str]:
    """Old key → new key of the items that one side renamed, known by the content of their images in raw."""
    changes = list(diff(dataset.objects, stage_tree(dataset, base, RAW), stage_tree(dataset, side, RAW)))
    removed = {change.path: change.old for change in changes if change.old}
    added = {change.path: change.new for change in changes if change.new}  # a name that was freed may be taken again
    pairs = match_renames(
        {path: blob for path, blob in removed.items() if is_image(path)},
        {path: blob for path, blob in added.items() if is_image(path)},
    )
    return {split_path(old)[0]: split_path(new)[0] for old, new in pairs.items()}


def _renamed(dataset: Dataset, root: bytes | None, renamed: Mapping[str, str]) -> bytes | None:
    """A tree with those of `renamed` that it has under their new names, where these are free."""
    if root is None or not renamed:
        return root
    raw = TreeView(dataset, stage_tree(dataset, root, RAW))
    here = {old: new for old, new in renamed.items() if old != new and raw.item(old).images}
    while taken := find_holders(dataset, root, here):
        here = {old: new for old, new in here.items() if old not in taken}
    return rename_items(dataset, root, here).tree if here else root


def _twins(dataset: Dataset, sides: _Sides) -> Iterator[tuple[str, str]]:
    """Keys under which both sides have an image of their own that the other lacks → the new key of theirs."""
    view = TreeView(dataset, stage_tree(dataset, sides.ours, RAW))
    base_raw = stage_tree(dataset, sides.base, RAW)
    base = TreeView(dataset, base_raw)
    for change in diff(dataset.objects, base_raw, stage_tree(dataset, sides.theirs, RAW)):
        if change.new is None or not is_image(change.path):
            continue
        key = split_path(change.path)[0]
        held = set(view.item(key).images.values())
        if held and change.new not in held and held != set(base.item(key).images.values()):
            ref = dataset.image_ref(f"{RAW}/{change.path}", change.new)
            yield key, f"{key}-{(ref.sha256 if ref else change.new.hex())[:6]}"


def _merge_stage(
    dataset: Dataset, sides: _Sides, root: bytes, stage: str, made: Made
) -> tuple[bytes, dict[str, Conflict]]:
    """(The tree `root` with one stage merged, its conflicts); what the stage's function made goes into `made`."""
    base, ours, theirs = (stage_tree(dataset, side, stage) for side in sides)
    locks = [read_lock(dataset, side, stage) for side in sides]
    merged = merge_stage(dataset, base, ours, theirs, previous=None)
    lock = _merge_locks(dataset, *locks)
    if lock is None:
        top = dataset.objects.tree(root)
        top.pop(stage, None)
        if merged.tree is not None:
            top[stage] = Entry(TREE_MODE, merged.tree)
        return dataset.objects.put_tree(top), merged.conflicts
    earlier = _merge_open(*(one.conflicts if one else {} for one in locks))
    left = still_open(dataset, msgspec.structs.replace(lock, conflicts=earlier), merged.tree)
    conflicts = {**left, **merged.conflicts}
    decided = _merge_decisions(*(_decisions(dataset, side, stage) for side in sides))
    made[stage] = (bytes.fromhex(lock.auto) or None, lock.inputs)
    lock = msgspec.structs.replace(lock, conflicts=conflicts, decided=decided)
    return with_stage(dataset, root, merged.tree, lock), merged.conflicts


def _gone(dataset: Dataset, sides: _Sides, merged: bytes) -> Iterator[str]:
    """Images that theirs changed and the merge lacks, in the first stage where it does."""
    told: set[str] = set()
    for stage in (RAW, *COMPUTED):
        base, ours, theirs = (stage_tree(dataset, side, stage) for side in sides)
        mine, after = TreeView(dataset, ours), TreeView(dataset, stage_tree(dataset, merged, stage))
        for change in diff(dataset.objects, base, theirs):
            key = split_path(change.path)[0]
            has_changed = bool(change.old and change.new) and is_image(change.path) and key not in told
            if has_changed and not mine.item(key).images and not after.item(key).images:
                told.add(key)
                yield f"{stage}/{change.path}"


def _merge_open(
    base: Mapping[str, Conflict], ours: Mapping[str, Conflict], theirs: Mapping[str, Conflict]
) -> dict[str, Conflict]:
    """Open conflicts of both sides; one that either side decided is decided."""
    found = {**theirs, **ours}
    return {path: one for path, one in found.items() if (path in ours and path in theirs) or path not in base}


def _decisions(dataset: Dataset, root: bytes | None, stage: str) -> dict[str, bool]:
    """Of one side, with what people did since the stage ran."""
    lock = read_lock(dataset, root, stage)
    sources = (stage_tree(dataset, root, before(stage)), stage_tree(dataset, root, RAW))
    return decisions(dataset, lock, stage_tree(dataset, root, stage), sources) if lock else {}


def _merge_locks(dataset: Dataset, base: Lock | None, ours: Lock | None, theirs: Lock | None) -> Lock | None:
    """What the stage was computed from: the side that ran it anew, else ours; `auto` is the merge of what both made.

    So neither side's output counts as made by hand. Where both ran it, our lock holds for what the merge leaves as our
    function made it; the next run decides every other item anew.
    """
    if ours is None or theirs is None or theirs == base:
        return ours or theirs
    if ours == base:
        return theirs
    auto = merge_stage(dataset, *(_auto(lock) for lock in (base, ours, theirs)), previous=None).tree
    dropped = _merge_verdicts(base.dropped if base else {}, ours.dropped, theirs.dropped)
    view = TreeView(dataset, auto)
    dropped = {key: drop for key, drop in sorted(dropped.items()) if not view.item(key).images}
    others = {split_path(change.path)[0] for change in diff(dataset.objects, _auto(ours), auto)}
    others |= {key for key in {*ours.dropped, *dropped} if ours.dropped.get(key) != dropped.get(key)}
    source = before(ours.stage)
    return msgspec.structs.replace(
        ours,
        auto=auto.hex() if auto else "",
        inputs={**ours.inputs, source: _as_if_unread(dataset, ours.inputs.get(source, ""), others)},
        dropped=dropped,
        flagged=_merge_verdicts(base.flagged if base else {}, ours.flagged, theirs.flagged),
        decided=_merge_decisions(base.decided if base else {}, ours.decided, theirs.decided),
    )


def _as_if_unread(dataset: Dataset, tree_id: str, keys: Iterable[str]) -> str:
    """The tree that a function read, with what no item has in the place of those of `keys`: they count as changed."""
    tree = bytes.fromhex(tree_id) or None
    if tree is not None and not dataset.objects.has(tree):
        return ""  # a clone that lacks it: every item is decided anew
    view, mark = TreeView(dataset, tree), dataset.objects.blob(_UNREAD)
    edits: dict[str, Value] = {}
    for key in keys:
        edits.update(dict.fromkeys(view.item(key).images))
        edits[f"{key}.{CAPTION_EXTENSION}"] = mark
    found = edit_tree(dataset.objects, tree, edits.items())
    return found.hex() if found else ""


def _auto(lock: Lock | None) -> bytes | None:
    return bytes.fromhex(lock.auto) if lock and lock.auto else None


def _merge_decisions(base: Mapping[str, bool], ours: Mapping[str, bool], theirs: Mapping[str, bool]) -> dict[str, bool]:
    """The side that decided anew counts, ours where both did."""
    return {
        key: theirs[key] if key in theirs and (key not in ours or ours[key] == base.get(key)) else ours[key]
        for key in sorted({*ours, *theirs})
    }


def _merge_verdicts(base: Mapping[str, T], ours: Mapping[str, T], theirs: Mapping[str, T]) -> dict[str, T]:
    kept = {key: drop for key, drop in ours.items() if key in theirs or key not in base}
    return {**{key: drop for key, drop in theirs.items() if key in ours or key not in base}, **kept}


def _merge_rest(dataset: Dataset, sides: _Sides, root: bytes, *, prefer: str, name: str) -> bytes:
    """Everything beside the stages: settings key by key, other texts line by line, bakes side by side.

    Raises:
        StateError: both sides changed one of them in one place, and `prefer` does not decide.
    """
    base, ours, theirs = (_without_stages(dataset, side) for side in sides)
    edits: dict[str, Value] = {}
    view = TreeView(dataset, ours)
    for change in diff(dataset.objects, base, theirs):
        here = view.blob(change.path)
        if here == change.old:
            edits[change.path] = change.new
        elif here != change.new and change.path.startswith(_BAKES) and change.new:
            stem, extension = split_path(change.path)
            edits[f"{stem}-{change.new.hex()[:6]}.{extension}"] = change.new
        elif here != change.new:
            edits[change.path] = _merge_text(dataset, change, here, prefer=prefer, name=name)
    export = find(dataset.objects, sides.theirs, EXPORT)
    if export is not None and find(dataset.objects, sides.ours, EXPORT) is None:
        edits[EXPORT] = export
    return edit_tree(dataset.objects, root, edits.items()) or root


def _without_stages(dataset: Dataset, root: bytes | None) -> bytes | None:
    if root is None:
        return None
    lines = {name: entry for name, entry in dataset.objects.tree(root).items() if name not in ORDER}
    return dataset.objects.put_tree(lines) if lines else None


def _merge_text(dataset: Dataset, change: Change, here: bytes | None, *, prefer: str, name: str) -> bytes | None:
    is_text = here is not None and change.new is not None and not is_stored_as_pointer(change.path)
    disputed = change.path
    if here is not None and is_text:
        text = _merge_lines(dataset, change, here)
        if change.path == CONFIG_NAME:
            text, disputes = _merge_settings(dataset, change, here, text, prefer)
            disputed = f"{CONFIG_NAME}: {'; '.join(disputes)}"
        if text is not None:
            return dataset.objects.blob(text.encode("utf-8", "surrogateescape"))
    if prefer:
        return here if prefer == PREFER[0] else change.new
    hint = f"dsk merge {name} --prefer ours (or theirs) decides"
    raise StateError(f"both branches changed the same place of {disputed}", hint=hint)


def _merge_settings(
    dataset: Dataset, change: Change, here: bytes, lines: str | None, prefer: str
) -> tuple[str | None, list[str]]:
    """The settings merged by key, in the text that the merge by lines gave where that says the same."""
    blobs = (change.old, here, change.new)
    sides = [dataset.objects.read(blob).decode("utf-8-sig") if blob else "" for blob in blobs]
    try:
        text, disputes = merge_toml(*sides, prefer=prefer)
        if disputes:
            return None, disputes
        return (lines if lines and tomllib.loads(lines) == tomllib.loads(text) else text), []
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise StateError(f"{change.path} of one of the branches is not valid: {error}", hint="mend it there") from error


def _merge_lines(dataset: Dataset, change: Change, here: bytes) -> str | None:
    """The text with the lines that either side changed; None where both changed the same ones."""
    mode = pygit2.enums.FileMode.BLOB
    base, ours, theirs = (
        pygit2.IndexEntry(change.path, pygit2.Oid(raw=blob), mode) if blob else None
        for blob in (change.old, here, change.new)
    )
    try:
        found = dataset.repo.merge_file_from_index(base, ours, theirs)
    except UnicodeDecodeError:
        return None
    return str(found.contents) if found.automergeable else None
