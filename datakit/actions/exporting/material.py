"""From a stage to what a format is given: which items, how each is trained, and their images as trainers read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from datakit.actions.exporting.folders import refuse_absent
from datakit.actions.exporting.images import UNKNOWN_SIZE_PX, Ready, image_facts, ready_images
from datakit.actions.exporting.masks import masks_of
from datakit.actions.project import Project
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, StateError
from datakit.exports.arranging import Treatment, arrange, treat
from datakit.exports.asking import asks_records, source_stage
from datakit.exports.balancing import balanced, balanced_by_tags
from datakit.exports.captions import one_line
from datakit.exports.model import Export, ExportItem, Material
from datakit.exports.recipes.making import recipe_for
from datakit.exports.settings import Asked, Common, Weight, parse_balance
from datakit.exports.splitting import held_back
from datakit.images.measure import ImageFacts
from datakit.model.item import ImageRef, concept_of
from datakit.model.order import EXPORT, RAW
from datakit.model.progress import Progress
from datakit.model.stage import Subject
from datakit.repo.dataset import Dataset
from datakit.repo.stagetree import read_items, stage_tree
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import tags_in
from datakit.tags.query.evaluating import walk
from datakit.tags.query.matching import OF_PIXELS, ItemFacts, matches, parse_where
from datakit.tags.query.parsing import Node


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What a format is given, and what it is not given."""

    material: Material
    left_out: dict[str, str]
    """Item key → why."""
    unasked: frozenset[str]
    """Of those, the keys that the query does not find."""
    num_changed: int
    """Images that had to be made anew for the trainer."""
    notes: tuple[str, ...]


def gather_material(
    project: Project, export: Export, asked: Asked, *, root: bytes | None, folder: str, progress: Progress
) -> Gathered:
    """What a format is given of the tree `root`.

    Raises:
        StateError: no item is left to export, or an image that must be looked at is not in this clone.
        ConfigError: a concept in the settings that no item has, a setting that is no query.
    """
    pool = _pool(project, export, asked, root=root, progress=progress)
    common = asked.common
    _refuse_unknown(common, {concept_of(subject.key) for subject in pool.subjects}, export.name)
    unasked = _not_found(pool, asked.flags.where)
    subjects = [subject for subject in pool.subjects if subject.key not in unasked]
    ready, failed = ready_images(project, subjects, export.extensions, progress)
    absent = [one.image for one in ready.values() if one.size_px == UNKNOWN_SIZE_PX]
    if export.needs_sizes(asked.own):
        refuse_absent(project.dataset, absent)
    left_out = pool.left_out | {key: f"its image cannot be read: {reason}" for key, reason in failed.items()}
    left_out |= dict.fromkeys(sorted(unasked), f"not found by the query {asked.flags.where}")
    if not ready:
        raise _nothing(left_out, source_stage(asked.flags))
    masks, told = masks_of(project, common.masks, ready, progress, root=root)
    with_record = export.needs_records(asked.own)
    items = [
        _item(subject, ready[subject.key], mask=masks.get(subject.key), with_record=with_record)
        for subject in subjects
        if subject.key in ready
    ]
    hits = _hits(subjects, pool.facts, common)
    material = Material(
        subsets=arrange(items, _treatments(items, pool.subjects, hits, common), common),
        common=common,
        settings=asked.own,
        folder=folder,
        recipe=recipe_for(asked.flags.config, asked) if asked.flags.config else None,
    )
    num_changed = sum(one.was_changed for one in ready.values())
    notes = (*pool.notes, *told, *_unlooked(len(absent)), *_idle(common.weights, hits))
    return Gathered(material=material, left_out=left_out, unasked=unasked, num_changed=num_changed, notes=notes)


def _unlooked(number: int) -> list[str]:
    """What is said of images that are not in this clone."""
    return [f"{number:,} images are not in this clone and go on as they are: dsk pull fetches them"] if number else []


def _idle(said: Sequence[Weight], hits: Mapping[str, Sequence[Weight]]) -> list[str]:
    """A note for each weight that concerns nothing."""
    used = [one for found in hits.values() for one in found]
    return [
        f"[[{EXPORT}.weights]] where = '{one.where}' finds no item that is exported" for one in said if one not in used
    ]


class _Pool(NamedTuple):
    """The stage's items, before anything is chosen of them."""

    subjects: list[Subject]
    facts: dict[str, ItemFacts]
    """Item key → what queries may ask of it; empty where nothing is asked."""
    left_out: dict[str, str]
    notes: list[str]


def _pool(project: Project, export: Export, asked: Asked, *, root: bytes | None, progress: Progress) -> _Pool:
    dataset, stage = project.dataset, source_stage(asked.flags)
    items = read_items(dataset, stage_tree(dataset, root, stage))
    raw = read_items(dataset, stage_tree(dataset, root, RAW)) if asks_records(export, asked) else {}
    subjects, drops, problems = read_subjects(dataset, items, raw, is_raw=stage == RAW)
    facts = _facts(dataset, subjects, _queries(asked), progress)
    return _Pool(subjects, facts, {drop.key: drop.reason for drop in drops}, problems)


def _queries(asked: Asked) -> list[Node]:
    where = asked.flags.where
    return [*([_flag(where)] if where else []), *(node for node, _ in _weights(asked.common))]


def _flag(where: str) -> Node:
    return parse_where(where, where="--where")


def _weights(common: Common) -> list[tuple[Node, Weight]]:
    """`[[export.weights]]`, in their order."""
    where = f"{CONFIG_NAME} [[{EXPORT}.weights]] where"
    return [(parse_where(one.where, where=where), one) for one in common.weights]


def _facts(
    dataset: Dataset, subjects: Sequence[Subject], queries: Sequence[Node], progress: Progress
) -> dict[str, ItemFacts]:
    """Of the stage's own images, not of what is made of them for the trainer: queries mean what `dsk find` means.

    Raises:
        StateError: an image that is asked for its size is not in this clone.
    """
    words = {getattr(part, "word", "") for node in queries for part in walk(node)}
    known: Mapping[str, ImageFacts] = {}
    if words & OF_PIXELS:
        images = {subject.image for subject in subjects}
        known = image_facts(dataset, images, progress)
        refuse_absent(dataset, [image for image in images if image.sha256 not in known])
    return {subject.key: _facts_of(subject, known) for subject in subjects} if queries else {}


def _facts_of(subject: Subject, known: Mapping[str, ImageFacts]) -> ItemFacts:
    measured = known.get(subject.image.sha256)
    return ItemFacts(
        key=subject.key,
        caption=subject.caption,
        record=subject.record,
        extension=subject.image.extension,
        size_px=measured.size_px if measured else None,
        size_bytes=subject.image.size_bytes,
        counts_record=subject.caption is None,
    )


def _not_found(pool: _Pool, where: str) -> frozenset[str]:
    """Keys of the items that `--where` leaves out."""
    if not where:
        return frozenset()
    node = _flag(where)
    return frozenset(subject.key for subject in pool.subjects if not matches(node, pool.facts[subject.key]))


def _treatments(
    items: Sequence[ExportItem], subjects: Sequence[Subject], hits: Mapping[str, Sequence[Weight]], common: Common
) -> dict[str, Treatment]:
    """Item key → how it is trained. What a query says goes before what a concept's settings say, and that before
    what is worked out."""
    keys = [item.key for item in items]
    repeats, weights = _weighed(hits)
    families = _families(subjects)
    held = held_back({key: families[key] for key in keys}, common.validation_split)
    worked_out = _balanced(items, common, held)
    return treat(keys, common, repeats=worked_out | repeats, weights=weights, held_back=held)


def _nothing(left_out: Mapping[str, str], stage: str) -> StateError:
    """Why there is nothing to export."""
    if not left_out:
        return StateError(f"nothing to export: {stage} has no image", hint=f"dsk advance {stage}")
    key, reason = next(iter(left_out.items()))
    more = f"; and {len(left_out) - 1:,} more" if len(left_out) > 1 else ""
    return StateError(f"nothing to export: {key}: {reason}{more}", hint="dsk find shows what there is")


def _item(subject: Subject, ready: Ready, *, mask: ImageRef | None, with_record: bool) -> ExportItem:
    return ExportItem(
        key=subject.key,
        name=subject.key,
        image=ready.image,
        size_px=ready.size_px,
        caption=one_line(subject.caption or ""),
        mask=mask,
        record=subject.record if with_record else None,
    )


def _hits(subjects: Sequence[Subject], facts: Mapping[str, ItemFacts], common: Common) -> dict[str, list[Weight]]:
    """Item key → those of `[[export.weights]]` that find it, in their order."""
    said = _weights(common)
    if not said:
        return {}
    return {subject.key: [one for node, one in said if matches(node, facts[subject.key])] for subject in subjects}


def _weighed(hits: Mapping[str, Sequence[Weight]]) -> tuple[dict[str, int], dict[str, float]]:
    """(Item → repeats, item → loss weight); of several that say something, the last says."""
    repeats: dict[str, int] = {}
    weights: dict[str, float] = {}
    for key, found in hits.items():
        for one in found:
            repeats |= {key: one.repeats} if one.repeats else {}
            weights |= {key: one.loss_weight} if one.loss_weight else {}
    return repeats, weights


def _balanced(items: Sequence[ExportItem], common: Common, held: Collection[str]) -> dict[str, int]:
    """Item → repeats that are worked out; those that a concept's settings name come before them."""
    balance = parse_balance(common.balance)
    trained = [item for item in items if item.key not in held and not _is_set(item.key, common)]
    if not balance.by:
        return {}
    if balance.by == "tags":
        return balanced_by_tags({item.key: tags_in(item.caption) for item in trained}, repeats=common.repeats)
    sizes = _sizes(item.key for item in trained)
    found = balanced(balance, sizes, repeats=common.repeats)
    return {item.key: found[concept_of(item.key)] for item in trained}


def _is_set(key: str, common: Common) -> bool:
    said = common.concepts.get(concept_of(key))
    return said is not None and (said.repeats is not None or said.is_reg or said.is_validation)


def _sizes(keys: Iterable[str]) -> dict[str, int]:
    sizes: dict[str, int] = {}
    for key in keys:
        sizes[concept_of(key)] = sizes.get(concept_of(key), 0) + 1
    return sizes


def _families(subjects: Sequence[Subject]) -> dict[str, str]:
    """Item key → what it hangs together with: the picture that it was cut from, the post that it is an image or child
    of; what was cut hangs together with all that its picture does."""
    by_key = {subject.key: subject for subject in subjects}
    return {key: _family(_uncut(subject, by_key)) for key, subject in by_key.items()}


def _uncut(subject: Subject, by_key: Mapping[str, Subject]) -> Subject:
    """The picture that a subject was cut from, as far back as there is one."""
    passed = set[str]()
    while subject.record is not None and subject.record.derived is not None and subject.key not in passed:
        passed.add(subject.key)
        subject = by_key.get(subject.record.derived.item, subject)
    return subject


def _family(subject: Subject) -> str:
    record = subject.record
    if record is None:
        return subject.key
    if record.derived is not None:
        return record.derived.item
    if record.site and (record.parent_id or record.post_id):
        return f"{record.site} {record.parent_id or record.post_id}"
    return subject.key


def _refuse_unknown(common: Common, concepts: set[str], name: str) -> None:
    unknown = sorted(set(common.concepts) - concepts)
    if unknown:
        raise ConfigError(
            f"{CONFIG_NAME} [{EXPORT}.concepts] or [{EXPORT}.{name}.concepts]: no concept '{unknown[0]}' is exported",
            hint=f"there are: {', '.join(sorted(concepts))}",
        )
