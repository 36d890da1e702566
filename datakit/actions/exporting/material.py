"""From a stage to what a format is given: which items, how each is trained, and their images as trainers read them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from datakit.actions.exporting.images import Ready, ready_images
from datakit.actions.exporting.masks import masks_of
from datakit.actions.project import Project
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, StateError
from datakit.exports.arranging import arrange, treat
from datakit.exports.balancing import balanced, balanced_by_tags
from datakit.exports.captions import one_line
from datakit.exports.model import Export, ExportItem, Material
from datakit.exports.recipes.making import recipe_for
from datakit.exports.settings import Asked, Common, Flags, parse_balance
from datakit.exports.splitting import held_back
from datakit.model.item import concept_of
from datakit.model.order import EXPORT, RAW, WIP
from datakit.model.progress import Progress
from datakit.model.record import Record
from datakit.model.stage import Subject
from datakit.repo.stagetree import read_items, stage_tree
from datakit.repo.transitions.subjects import read_subjects
from datakit.tags.captions import tags_in
from datakit.tags.query.matching import ItemFacts, matches, parse_where
from datakit.tags.query.parsing import Node


class Gathered(msgspec.Struct, frozen=True, kw_only=True):
    """What a format is given, and what it is not given."""

    material: Material
    left_out: dict[str, str]
    """Item key → why."""
    num_changed: int
    """Images that had to be made anew for the trainer."""
    notes: tuple[str, ...]


def source_stage(flags: Flags) -> str:
    """Whose images and captions are exported."""
    return flags.stage or WIP


def asks_records(export: Export, asked: Asked) -> bool:
    """Whether what is written depends on records, beside images and captions."""
    common = asked.common
    return bool(export.needs_records(asked.own) or asked.flags.where or common.weights or common.validation_split)


def gather_material(
    project: Project, export: Export, asked: Asked, *, root: bytes | None, folder: str, progress: Progress
) -> Gathered:
    """What a format is given of the tree `root`.

    Raises:
        StateError: no item is left to export, or an image that must be looked at is not in this clone.
        ConfigError: a concept in the settings that no item has, a setting that is no query.
    """
    subjects, left_out, notes = _subjects(project, export, asked, root)
    ready, failed = ready_images(project, subjects, export.extensions, progress)
    left_out |= {key: f"its image cannot be read: {reason}" for key, reason in failed.items()}
    subjects = [subject for subject in subjects if subject.key in ready]
    wanted, unwanted = _chosen(subjects, ready, asked.flags.where)
    left_out |= dict.fromkeys(unwanted, f"not found by the query {asked.flags.where}")
    if not wanted:
        raise StateError(
            f"nothing to export: {_why_nothing(left_out, source_stage(asked.flags))}", hint="dsk find QUERY shows more"
        )
    masks, told = masks_of(
        project, asked.common.masks, {one.key: ready[one.key] for one in wanted}, progress, root=root
    )
    common = asked.common
    _refuse_unknown(common, {concept_of(subject.key) for subject in wanted}, export.name)
    with_record = export.needs_records(asked.own)
    items = [_item(subject, ready[subject.key], with_record=with_record) for subject in wanted]
    items = [msgspec.structs.replace(item, mask=masks.get(item.key)) for item in items]
    repeats, weights = _weighed(wanted, ready, common)
    held = held_back({subject.key: _family(subject) for subject in wanted}, common.validation_split)
    treatments = treat(
        [subject.key for subject in wanted],
        common,
        repeats=_balanced(items, common, held) | repeats,
        weights=weights,
        held_back=held,
    )
    material = Material(
        subsets=arrange(items, treatments, common),
        common=common,
        settings=asked.own,
        folder=folder,
        recipe=recipe_for(asked.flags.config, asked) if asked.flags.config else None,
    )
    num_changed = sum(ready[subject.key].was_changed for subject in wanted)
    return Gathered(material=material, left_out=left_out, num_changed=num_changed, notes=(*notes, *told))


def _subjects(
    project: Project, export: Export, asked: Asked, root: bytes | None
) -> tuple[list[Subject], dict[str, str], list[str]]:
    dataset, stage = project.dataset, source_stage(asked.flags)
    items = read_items(dataset, stage_tree(dataset, root, stage))
    raw = read_items(dataset, stage_tree(dataset, root, RAW)) if asks_records(export, asked) else {}
    subjects, drops, problems = read_subjects(dataset, items, raw, is_raw=stage == RAW)
    return subjects, {drop.key: drop.reason for drop in drops}, problems


def _why_nothing(left_out: Mapping[str, str], stage: str) -> str:
    if not left_out:
        return f"{stage} has no image"
    key, reason = next(iter(left_out.items()))
    return f"{key}: {reason}" + (f"; and {len(left_out) - 1:,} more" if len(left_out) > 1 else "")


def _item(subject: Subject, ready: Ready, *, with_record: bool) -> ExportItem:
    return ExportItem(
        key=subject.key,
        name=subject.key,
        image=ready.image,
        size_px=ready.size_px,
        caption=one_line(subject.caption or ""),
        record=subject.record if with_record else None,
    )


def _facts(subject: Subject, ready: Ready) -> ItemFacts:
    return ItemFacts(
        key=subject.key,
        caption=subject.caption,
        record=subject.record,
        extension=ready.image.extension,
        size_px=ready.size_px,
        size_bytes=ready.image.size_bytes,
        counts_record=subject.caption is None,
    )


def _chosen(subjects: Sequence[Subject], ready: Mapping[str, Ready], where: str) -> tuple[list[Subject], list[str]]:
    if not where:
        return list(subjects), []
    node = parse_where(where, where="--where")
    found = [subject for subject in subjects if matches(node, _facts(subject, ready[subject.key]))]
    kept = {subject.key for subject in found}
    return found, [subject.key for subject in subjects if subject.key not in kept]


def _weighed(
    subjects: Sequence[Subject], ready: Mapping[str, Ready], common: Common
) -> tuple[dict[str, int], dict[str, float]]:
    """(Item → repeats, item → loss weight) as `[[export.weights]]` has them."""
    nodes: list[tuple[Node, Any]] = [
        (parse_where(one.where, where=f"{CONFIG_NAME} [[{EXPORT}.weights]] where"), one) for one in common.weights
    ]
    repeats: dict[str, int] = {}
    weights: dict[str, float] = {}
    for subject in subjects if nodes else ():
        facts = _facts(subject, ready[subject.key])
        for node, said in nodes:
            if matches(node, facts):
                repeats |= {subject.key: said.repeats} if said.repeats else {}
                weights |= {subject.key: said.loss_weight} if said.loss_weight else {}
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


def _family(subject: Subject) -> str:
    """What an item hangs together with: the picture that it was cut from, the post that it is an image or child of."""
    record: Record | None = subject.record
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
