"""What differs between two trees of a dataset, item by item; costs what differs, not what there is."""

from __future__ import annotations

import tomllib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from datakit.config import CONFIG_NAME
from datakit.model.comparison import (
    CaptionChange,
    CaptionMark,
    FieldChange,
    FileChange,
    ImageChange,
    ItemChange,
    Picture,
    RecordChange,
    StageChange,
    mark_of,
)
from datakit.model.item import CAPTION_EXTENSION, LOCK_NAME, RECORD_EXTENSION, is_image, split_path
from datakit.model.order import RAW
from datakit.repo.dataset import Dataset
from datakit.repo.items import STAGES_OF_ITEMS
from datakit.repo.operations.matching import match_renames
from datakit.repo.stagetree import read_lock
from datakit.store.objects import Change, diff
from datakit.tags.captions import spell_tags
from datakit.tags.names import to_canonical

Wanted = Callable[[str, str], bool]
"""(stage, item key) → whether it is asked for."""
_UNSET: Final = object()


class Differences(msgspec.Struct, frozen=True):
    """What differs between two trees."""

    stages: tuple[StageChange, ...]
    settings: tuple[FieldChange, ...]
    files: tuple[FileChange, ...]


def compare(
    dataset: Dataset, before: bytes | None, after: bytes | None, *, wanted: Wanted | None = None
) -> Differences:
    """Compare two trees of the dataset; with `wanted` only those items, and nothing else."""
    by_stage: dict[str, list[Change]] = defaultdict(list)
    settings: tuple[FieldChange, ...] = ()
    files: list[FileChange] = []
    for change in sorted(diff(dataset.objects, before, after)):
        top, slash, path = change.path.partition("/")
        if slash and top in STAGES_OF_ITEMS and _is_of_item(top, path):
            by_stage[top].append(Change(path, change.old, change.new))
        elif wanted is not None or path == LOCK_NAME:
            continue
        elif change.path == CONFIG_NAME:
            settings = _fields(_read_toml(_text(dataset, change.old)), _read_toml(_text(dataset, change.new)))
        else:
            files.append(FileChange(path=change.path, mark=mark_of(change.old, change.new)))
    comparers = (_Stage(dataset, stage, by_stage[stage], (before, after)) for stage in STAGES_OF_ITEMS)
    stages = tuple(found for one in comparers if (found := one.compare(wanted)).items)
    return Differences(stages, settings, tuple(files))


def _is_of_item(stage: str, path: str) -> bool:
    extension = split_path(path)[1]
    if path == LOCK_NAME:
        return False
    return is_image(path) or extension == CAPTION_EXTENSION or (extension == RECORD_EXTENSION and stage == RAW)


class _Parts(msgspec.Struct):
    """The files of one item that differ."""

    images: list[tuple[Change, Change]] = msgspec.field(default_factory=list)
    """(its old side, its new side); one and the same where the name stayed."""
    caption: Change | None = None
    record: Change | None = None

    @property
    def differs(self) -> bool:
        """Whether anything does, renames put together."""
        return bool(self.images or self.caption or self.record)


class _Stage:
    """The comparison of one stage."""

    def __init__(
        self, dataset: Dataset, stage: str, changes: list[Change], roots: tuple[bytes | None, bytes | None]
    ) -> None:
        self.dataset = dataset
        self.stage = stage
        self.changes = changes
        self.roots = roots

    def compare(self, wanted: Wanted | None) -> StageChange:
        """Every item that differs, where it is `wanted`."""
        parts, was = self._parts()
        keys = sorted(parts)
        if wanted is not None:
            keys = [key for key in keys if wanted(self.stage, key) or (key in was and wanted(self.stage, was[key]))]
        reasons = self._reasons(parts[key] for key in keys)
        items = tuple(self._item(key, was.get(key, ""), parts[key], reasons) for key in keys)
        captions = [item.caption for item in items if item.caption]
        return StageChange(
            stage=self.stage,
            items=items,
            tags_added=_totals(caption.tags_added for caption in captions),
            tags_removed=_totals(caption.tags_removed for caption in captions),
        )

    def _parts(self) -> tuple[dict[str, _Parts], dict[str, str]]:
        """Key after (before, where gone) → what differs of it; key after → key before, of renamed items."""
        parts: dict[str, _Parts] = defaultdict(_Parts)
        pairs = list(_image_pairs([change for change in self.changes if is_image(change.path)]))
        texts = [change for change in self.changes if not is_image(change.path)]
        was = _renamed_items(pairs, texts)
        for old, new in pairs:
            origin, key = split_path(old.path)[0], split_path(new.path)[0]
            if was.get(key, key) == origin:
                parts[key].images.append((old, new))
            else:  # one image of several that went to another item
                parts[origin].images.append((old, old))
                parts[key].images.append((new, new))
        names = {origin: key for key, origin in was.items()}
        for change in texts:
            key, extension = split_path(change.path)
            _add_text(parts[names.get(key, key)], change, is_caption=extension == CAPTION_EXTENSION)
        return {key: part for key, part in parts.items() if part.differs}, was

    def _reasons(self, parts: Iterable[_Parts]) -> Mapping[str, str]:
        """Key → why the stage's function left the item out, on the side where it did."""
        pairs = [pair for part in parts for pair in part.images]
        sides = [new.new is None for _, new in pairs], [old.old is None for old, _ in pairs]
        reasons: dict[str, str] = {}
        for root, is_lacking in zip(reversed(self.roots), sides, strict=True):
            lock = read_lock(self.dataset, root, self.stage) if any(is_lacking) else None
            reasons |= {key: drop.reason for key, drop in lock.dropped.items()} if lock else {}
        return reasons

    def _item(self, key: str, was: str, parts: _Parts, reasons: Mapping[str, str]) -> ItemChange:
        images = tuple(self._image(old, new) for old, new in sorted(parts.images))
        is_lacking = any(image.before is None or image.after is None for image in images)
        return ItemChange(
            key=key,
            was=was,
            images=images,
            caption=self._caption(parts.caption) if parts.caption else None,
            record=self._record(parts.record) if parts.record else None,
            why=reasons.get(key, "") if is_lacking else "",
        )

    def _image(self, old: Change, new: Change) -> ImageChange:
        is_renamed = old.path != new.path and old.old == new.new
        return ImageChange(
            mark="renamed" if is_renamed else mark_of(old.old, new.new),
            before=self._picture(old.path, old.old),
            after=self._picture(new.path, new.new),
        )

    def _picture(self, path: str, blob: bytes | None) -> Picture | None:
        if blob is None:
            return None
        ref = self.dataset.image_ref(f"{self.stage}/{path}", blob)
        return Picture(path, ref.sha256, ref.size_bytes) if ref else Picture(path, "", len(self._read(blob)))

    def _caption(self, change: Change) -> CaptionChange:
        before, after = _text(self.dataset, change.old), _text(self.dataset, change.new)
        return compare_captions(before, after)

    def _record(self, change: Change) -> RecordChange:
        mark = mark_of(change.old, change.new)
        if mark != "changed":
            return RecordChange(mark=mark)
        sides = (_read_json(_text(self.dataset, blob)) for blob in (change.old, change.new))
        return RecordChange(mark=mark, fields=_fields(*sides))

    def _read(self, blob: bytes) -> bytes:
        return self.dataset.objects.read(blob)


def _totals(lists: Iterable[tuple[str, ...]]) -> dict[str, int]:
    """Tag → in how many of the lists, however they write it; told as most of them do."""
    spellings: dict[str, Counter[str]] = defaultdict(Counter)
    for tags in lists:
        for text in tags:
            spellings[to_canonical(text)][text] += 1
    counts = {min(found, key=lambda text: (-found[text], text)): found.total() for found in spellings.values()}
    return dict(sorted(counts.items(), key=lambda row: (-row[1], row[0])))


def compare_captions(before: str | None, after: str | None) -> CaptionChange:
    """Two captions that are not equal, as lists of tags."""
    old, new = spell_tags(before or ""), spell_tags(after or "")
    mark: CaptionMark
    if before is None or after is None:
        mark = "added" if before is None else "removed"
    elif old.keys() != new.keys():
        mark = "changed"
    else:
        mark = "respelled" if list(old) == list(new) else "reordered"
    return CaptionChange(
        mark=mark,
        before=before,
        after=after,
        tags_added=tuple(text for tag, text in new.items() if tag not in old),
        tags_removed=tuple(text for tag, text in old.items() if tag not in new),
    )


def _image_pairs(changes: list[Change]) -> Iterator[tuple[Change, Change]]:
    """Each image that differs as (its old side, its new side), renames put together."""
    removed = {change.path: change for change in changes if change.new is None}
    added = {change.path: change for change in changes if change.old is None}
    yield from ((change, change) for change in changes if change.old is not None and change.new is not None)
    pairs = _same_item(removed, added)
    yield from ((removed.pop(old), added.pop(new)) for old, new in pairs)
    sources = {path: change.old for path, change in removed.items() if change.old}
    goals = {path: change.new for path, change in added.items() if change.new}
    renames = match_renames(sources, goals)
    yield from ((removed.pop(old), added.pop(new)) for old, new in sorted(renames.items()))
    yield from ((change, change) for change in (*removed.values(), *added.values()))


def _same_item(removed: Mapping[str, Change], added: Mapping[str, Change]) -> list[tuple[str, str]]:
    """Images whose extension changed: (old path, new path)."""
    goals: dict[str, list[str]] = defaultdict(list)
    for path in sorted(added):
        goals[split_path(path)[0]].append(path)
    sources: dict[str, list[str]] = defaultdict(list)
    for path in sorted(removed):
        sources[split_path(path)[0]].append(path)
    return [pair for key, paths in sources.items() for pair in zip(paths, goals.get(key, ()), strict=False)]


def _add_text(parts: _Parts, change: Change, *, is_caption: bool) -> None:
    """Take in a caption or record; of a renamed item it comes as two halves, under its old and its new name."""
    half = parts.caption if is_caption else parts.record
    if half is not None:
        path = change.path if change.new is not None else half.path
        change = Change(path, half.old or change.old, half.new or change.new)
    whole = None if change.old == change.new else change
    if is_caption:
        parts.caption = whole
    else:
        parts.record = whole


def _renamed_items(pairs: Iterable[tuple[Change, Change]], texts: Iterable[Change]) -> dict[str, str]:
    """Key after → key before, of items all of whose files that differ went the same way."""
    origins: dict[str, set[str]] = defaultdict(set)
    goals: dict[str, set[str]] = defaultdict(set)
    for old, new in pairs:
        before, after = split_path(old.path)[0], split_path(new.path)[0]
        origins[after].add(before)
        goals[before].add(after)
    left = {split_path(text.path)[0] for text in texts if text.new is not None}
    known = {split_path(text.path)[0] for text in texts if text.old is not None}
    return {
        key: origin
        for key, (origin, *others) in origins.items()
        if not others and origin != key and len(goals[origin]) == 1 and origin not in left and key not in known
    }


def _text(dataset: Dataset, blob: bytes | None) -> str | None:
    return None if blob is None else dataset.objects.read(blob).decode("utf-8-sig", "replace")


def _read_toml(text: str | None) -> Any:
    try:
        return tomllib.loads(text) if text is not None else {}
    except tomllib.TOMLDecodeError:
        return text


def _read_json(text: str | None) -> Any:
    try:
        return msgspec.json.decode(text) if text is not None else {}
    except msgspec.DecodeError:
        return text


def _fields(before: Any, after: Any, prefix: str = "") -> tuple[FieldChange, ...]:
    """Values that differ, tables opened; sorted by field."""
    if not (isinstance(before, dict) and isinstance(after, dict)):
        if before is _UNSET and isinstance(after, dict):  # an empty table says nothing
            return _fields({}, after, prefix)
        if after is _UNSET and isinstance(before, dict):
            return _fields(before, {}, prefix)
        sides = (None if side is _UNSET else side for side in (before, after))
        old, new = sides
        return () if old == new and type(old) is type(new) else (FieldChange(field=prefix, before=old, after=new),)
    found: list[FieldChange] = []
    for name in sorted(before.keys() | after.keys()):
        inner = f"{prefix}.{name}" if prefix else name
        found += _fields(before.get(name, _UNSET), after.get(name, _UNSET), inner)
    return tuple(found)
