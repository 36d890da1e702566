"""dsk duplicates: the images of a stage that look alike, with the one of each group that is worth most."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from datakit.actions.deciding import Decision
from datakit.actions.finding import choose_stage, late_words
from datakit.actions.project import Counted, Project
from datakit.errors import InputError
from datakit.images.lookalikes import Alike, Group, Limits, Picture, group, limits_of, picture_of
from datakit.images.measure import header
from datakit.model.item import CAPTION_EXTENSION, RECORD_EXTENSION
from datakit.model.order import COMPUTED, RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import decode_record, encode_json
from datakit.model.stage import Subject
from datakit.repo.dataset import Dataset
from datakit.repo.finding.facts import OF_RECORDS
from datakit.repo.finding.late import look_hashes
from datakit.repo.finding.table import Place, with_table
from datakit.repo.operations.renaming import Names
from datakit.repo.operations.transaction import Transaction, transaction
from datakit.repo.stagetree import TreeView, read_items, stage_tree
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import parse_tags
from datakit.tags.edits import adding, read_words, speller, write_words
from datakit.tags.names import to_prompt
from datakit.tags.query.parsing import format_query, parse_query

_CONTENT: Final = ("character", "copyright", "species", "general")
_PROMPTS: Final = frozenset({"cleaned", "wip"})
_CRITERIA: Final = {
    "resolution": "more pixels",
    "format": "a better format",
    "score": "a higher score",
    "captions": "more tags",
}


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """An image of a group."""

    key: str
    size_px: tuple[int, int]
    format: str
    score: int | None
    num_tags: int
    distance: int = 0
    """From the keeper: bits in which the pHashes differ."""
    dhash_distance: int = 0
    mirrored: bool = False
    variant: str = ""
    """Why it is a variant: `posts` of one family, or other `tags`."""


class Lookalikes(msgspec.Struct, frozen=True, kw_only=True):
    """Images that look alike."""

    keeper: Member
    why: str
    """What makes it worth more than the next; '' where there are only variants."""
    duplicates: tuple[Member, ...]
    variants: tuple[Member, ...]


class Duplicates(msgspec.Struct, frozen=True, kw_only=True):
    """The groups of a stage, and what was done about them."""

    stage: str
    query: str
    distance: int
    num_items: int
    """That were compared."""
    num_flat: int
    """Of those, images with too little in them to be told apart."""
    unreadable: tuple[str, ...]
    groups: tuple[Lookalikes, ...]
    dropped: tuple[Decision, ...] = ()
    merged: tuple[str, ...] = ()
    """Keepers that got tags of their duplicates."""
    subject: str = ""
    commit: str = ""

    @property
    def num_duplicates(self) -> int:
        """Images that are not kept."""
        return sum(len(one.duplicates) for one in self.groups)


class Wanted(NamedTuple):
    """Which images are compared, and how."""

    where: str = ""
    stage: str = ""
    """'' for `filtered`, or raw where nothing was filtered yet."""
    distance: int | None = None
    """None for that of `[filtered.near-duplicate]`."""
    progress: Progress = silent


def find_duplicates(project: Project, wanted: Wanted | None = None) -> Duplicates:
    """The groups of images that look alike, as of the last operation.

    Raises:
        UsageError: not a query, or no such stage.
    """
    return _find(project, project.dataset.head_tree, wanted or Wanted())


def settle_duplicates(project: Project, wanted: Wanted, *, drops: bool, merges_tags: bool) -> Duplicates:
    """Drop all but the keepers, or give the keepers the tags of their duplicates, or both: one operation.

    Variants stay, and give nothing.

    Raises:
        UsageError: not a query, or no such stage.
    """
    with transaction(project.dataset, "drop" if drops else "tag") as txn:
        found = _find(project, txn.base_tree, wanted)
        merged = _merge_tags(project, txn, found) if merges_tags else ()
        dropped = _drop(txn, found) if drops else ()
        if not merged and not dropped:
            return found
        subject = _subject(found, dropped, merged)
        txn.args = _args(found, dropped, merged)
        commit = txn.commit(subject, trailers={"Stage": found.stage})
        return msgspec.structs.replace(found, dropped=dropped, merged=merged, subject=subject, commit=commit or "")


def _find(project: Project, root: bytes | None, wanted: Wanted) -> Duplicates:
    stage = _stage(project.dataset, root, wanted.stage)
    subjects = _subjects(project, root, stage, wanted)
    hashes = look_hashes(project.dataset, (one.image for one in subjects), wanted.progress)
    limits = _limits(project, wanted.distance)
    there = [one for one in subjects if one.image.sha256 in hashes]
    pictures = {
        one.key: picture_of(
            one,
            hashes[one.image.sha256],
            size_px=_size_px(project.dataset, one),
            kind=one.image.extension.lower(),
            tags=_tags(one, stage),
        )
        for one in there
    }
    found = group(list(pictures.values()), limits)
    return Duplicates(
        stage=stage,
        query=format_query(parse_query(wanted.where)),
        distance=limits.distance,
        num_items=len(subjects),
        num_flat=sum(one.is_flat for one in pictures.values()),
        unreadable=tuple(one.key for one in subjects if one.image.sha256 not in hashes),
        groups=tuple(_lookalikes(one, pictures, limits) for one in found),
    )


def _stage(dataset: Dataset, root: bytes | None, stage: str) -> str:
    first = COMPUTED[0]
    default = first if stage_tree(dataset, root, first) is not None else RAW
    return choose_stage(dataset, root, stage or default)


def _subjects(project: Project, root: bytes | None, stage: str, wanted: Wanted) -> list[Subject]:
    dataset = project.dataset
    items = read_items(dataset, stage_tree(dataset, root, stage))
    if wanted.where:
        place = Place(root, stage, looks=False, progress=wanted.progress)
        node = parse_query(wanted.where)
        keys = set(with_table(dataset, place, lambda table: table.find(node), late=late_words(dataset, place)))
        items = {key: item for key, item in items.items() if key in keys}
    raw = items if stage == RAW else TreeView(dataset, stage_tree(dataset, root, RAW)).items(items)
    return read_subjects(dataset, items, raw, is_raw=stage == RAW)[0]


def _limits(project: Project, distance: int | None) -> Limits:
    limits = limits_of(project.settings(COMPUTED[0]).near_duplicate)
    return limits if distance is None else msgspec.structs.replace(limits, distance=distance)


def _size_px(dataset: Dataset, subject: Subject) -> tuple[int, int]:
    """(width, height); that of the record where the image is the record's."""
    record = subject.record
    if record is not None and record.size_px is not None and record.sha256 == subject.image.sha256:
        return record.size_px
    try:
        return header(dataset.lfs.path(subject.image.sha256)).size_px
    except (InputError, OSError):
        return 0, 0


def _tags(subject: Subject, stage: str) -> frozenset[str]:
    """What is said to be seen: by the stage's caption, else by the record, else by the caption that came along."""
    if stage not in OF_RECORDS:
        return frozenset(parse_tags(subject.caption or ""))
    recorded = subject.record.all_tags(_CONTENT) if subject.record is not None else ()
    return frozenset(recorded or parse_tags(subject.scraped_caption or ""))


def _lookalikes(found: Group, pictures: Mapping[str, Picture], limits: Limits) -> Lookalikes:
    keeper = pictures[found.keeper]
    others = [pictures[one.key] for one in found.duplicates]
    return Lookalikes(
        keeper=_member(keeper),
        why=_why(keeper, others, limits),
        duplicates=tuple(_member(pictures[one.key], one) for one in found.duplicates),
        variants=tuple(_member(pictures[one.key], one) for one in found.variants),
    )


def _member(picture: Picture, alike: Alike | None = None) -> Member:
    return Member(
        key=picture.key,
        size_px=picture.size_px,
        format=picture.format,
        score=picture.score,
        num_tags=len(picture.tags),
        distance=alike.distance if alike else 0,
        dhash_distance=alike.dhash_distance if alike else 0,
        mirrored=alike.mirrored if alike else False,
        variant=alike.variant if alike else "",
    )


def _why(keeper: Picture, others: Sequence[Picture], limits: Limits) -> str:
    """The first criterion by which the keeper is worth more than some duplicate."""
    if not others:
        return ""
    best = keeper.worth(limits)
    for name, *values in zip(limits.keep, best, *(one.worth(limits) for one in others), strict=False):
        if any(value != values[0] for value in values):
            return _CRITERIA[name]
    return "the first by name"


def _drop(txn: Transaction, found: Duplicates) -> tuple[Decision, ...]:
    """Take the duplicates out of the stage, image and caption."""
    names = Names(txn.dataset, txn.base_tree, found.stage)
    decisions = []
    for one in found.groups:
        for member in one.duplicates:
            paths = tuple(f"{found.stage}/{path}" for path in sorted(names.files(member.key)))
            for path in paths:
                txn.put_blob(path, None)
            reason = f"looks like {one.keeper.key}"
            decisions.append(Decision(key=member.key, stage=found.stage, what="dropped", reason=reason, files=paths))
    return tuple(decisions)


def _merge_tags(project: Project, txn: Transaction, found: Duplicates) -> tuple[str, ...]:
    """Write the union of tags: into the caption of a stage that has captions, else into the keeper's record."""
    merge = _merged_record if found.stage in OF_RECORDS else _merged_caption
    extension = RECORD_EXTENSION if found.stage in OF_RECORDS else CAPTION_EXTENSION
    place = RAW if found.stage in OF_RECORDS else found.stage
    view = TreeView(project.dataset, stage_tree(project.dataset, txn.base_tree, place))

    def read(key: str) -> bytes | None:
        blob = view.blob(f"{key}.{extension}")
        return None if blob is None else project.dataset.objects.read(blob)

    changed = []
    for one in found.groups:
        own = read(one.keeper.key)
        others = [data for member in one.duplicates if (data := read(member.key)) is not None]
        merged = merge(project, found.stage, own, others) if own is not None and others else own
        if merged is not None and merged != own:
            txn.put(f"{place}/{one.keeper.key}.{extension}", merged)
            changed.append(one.keeper.key)
    return tuple(changed)


def _merged_caption(project: Project, stage: str, own: bytes, others: Iterable[bytes]) -> bytes | None:
    """The caption with the tags of others behind its own; None where it is not UTF-8."""
    try:
        text, rest = own.decode("utf-8"), [data.decode("utf-8") for data in others]
    except UnicodeDecodeError:
        return None
    before = read_words(text)
    after = adding(tag for other in rest for tag in parse_tags(other))(before, frozenset())
    is_prompt = stage in _PROMPTS and not project.settings("cleaned").keep_underscores
    return write_words(after, text, speller(before, to_prompt if is_prompt else str)).encode("utf-8")


def _merged_record(project: Project, stage: str, own: bytes, others: Iterable[bytes]) -> bytes | None:
    """The record with the tags of others, each in its category; None where one of them is no record."""
    try:
        record, *rest = (decode_record(data, path=RECORD_EXTENSION) for data in (own, *others))
    except InputError:
        return None
    known = set(record.all_tags())
    tags = dict(record.tags)
    for other in rest:
        for category, names in other.tags.items():
            new = [name for name in names if name not in known]
            if new:
                tags[category] = (*tags.get(category, ()), *new)
                known.update(new)
    return own if tags == record.tags else encode_json(msgspec.structs.replace(record, tags=tags))


def _subject(found: Duplicates, dropped: Sequence[Decision], merged: Sequence[str]) -> str:
    keepers = Counted(len(merged), "keeper")
    if not dropped:
        return f"tag: tags of duplicates added to {keepers} of {found.stage}"
    told = f", their tags added to {keepers}" if merged else ""
    return f"drop: {Counted(len(dropped), 'near duplicate')} from {found.stage}{told}"


def _args(found: Duplicates, dropped: Sequence[Decision], merged: Sequence[str]) -> dict[str, Any]:
    args: dict[str, Any] = {"distance": found.distance, "where": found.query}
    if dropped:
        keepers = {member.key: one.keeper.key for one in found.groups for member in one.duplicates}
        args |= {"items": [f"{one.stage}/{one.key}" for one in dropped], "keepers": keepers}
        args["reason"] = "looks like another item, see keepers"
    return args | ({"verb": "merge", "merged": list(merged)} if merged else {})
