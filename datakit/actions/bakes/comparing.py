"""dsk bakes diff: two bakes side by side: settings, data, versions, results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from datakit.actions.bakes.exported import Exported, export_of
from datakit.actions.bakes.ledger import Bake, find_bake
from datakit.actions.bakes.measured import numbers
from datakit.actions.exporting.manifests import known_object
from datakit.actions.project import Project
from datakit.actions.trainerprogram import OURS
from datakit.exports.asking import source_stage
from datakit.model.comparison import CaptionChange, StageChange
from datakit.repo.dataset import Dataset
from datakit.repo.past.comparing import compare
from datakit.repo.stagetree import stage_tree
from datakit.store.objects import TREE_MODE, Entry

UNTOLD: Final = frozenset(f"{section}.{key}" for section, keys in OURS.items() for key in keys)
"""Settings that are ours, and other in each bake."""
_SCALARS: Final = ("images", "held_out", "steps", "epochs", "first_loss", "final_loss", "seconds", "rating", "note")


class Difference(msgspec.Struct, frozen=True):
    """A value that two bakes do not share; None where one has none."""

    name: str
    """With dots, as in `optimizer.learning_rate`."""
    before: Any
    after: Any


class CaptionDifference(msgspec.Struct, frozen=True, kw_only=True):
    """A caption that both bakes have, and not the same."""

    key: str
    change: CaptionChange


class DataDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What differs in what was trained on."""

    stages: tuple[str, str]
    """That were exported."""
    added: tuple[str, ...] = ()
    """Items that only the second has."""
    dropped: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    """(Before, after): the same item by another name."""
    images: tuple[str, ...] = ()
    """Items whose picture is another."""
    captions: tuple[CaptionDifference, ...] = ()
    tags_added: dict[str, int] = {}
    """Tag → number of captions that have it anew."""
    tags_removed: dict[str, int] = {}
    settings: tuple[Difference, ...] = ()
    """Of the export: repeats, resolution, shuffling."""
    unknown: str = ""
    """Why nothing can be said; '' where something can."""

    @property
    def is_empty(self) -> bool:
        """Whether both were trained on the same."""
        found = self.added or self.dropped or self.moved or self.images or self.captions or self.settings
        return not (found or self.unknown)


class BakeComparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two bakes and all that differs."""

    before: Bake
    after: Bake
    config: tuple[Difference, ...]
    """As the trainer resolved it; as it was asked for where one ledger file does not say more."""
    is_resolved: bool
    data: DataDifference
    versions: tuple[Difference, ...]
    results: tuple[Difference, ...]


def compare_bakes(project: Project, first: str, second: str) -> BakeComparison:
    """Two bakes by their ids.

    Raises:
        UsageError: no such bake.
    """
    before, after = find_bake(project, first), find_bake(project, second)
    is_resolved = bool(before.resolved and after.resolved)
    return BakeComparison(
        before=before,
        after=after,
        config=differing_settings(before, after),
        is_resolved=is_resolved,
        data=compare_data(project.dataset, before, after),
        versions=differing(_circumstances(before), _circumstances(after)),
        results=_results(before, after),
    )


def differing_settings(before: Bake, after: Bake) -> tuple[Difference, ...]:
    """What differs in settings, as the trainer resolved them where both tell that; without what is ours to set."""
    is_resolved = bool(before.resolved and after.resolved)
    found = differing(*(one.resolved if is_resolved else one.config for one in (before, after)))
    return tuple(one for one in found if one.name not in UNTOLD)


def flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Values by their dotted names; a list is one value."""
    found: dict[str, Any] = {}
    for name, value in table.items():
        key = f"{prefix}.{name}" if prefix else name
        if isinstance(value, Mapping):
            found |= flat(value, key)
        else:
            found[key] = value
    return found


def differing(before: Mapping[str, Any], after: Mapping[str, Any], *, prefix: str = "") -> tuple[Difference, ...]:
    """The values that are not the same, sorted by name."""
    old, new = flat(before, prefix), flat(after, prefix)
    names = sorted(name for name in {*old, *new} if old.get(name) != new.get(name))
    return tuple(Difference(name, old.get(name), new.get(name)) for name in names)


def _circumstances(done: Bake) -> dict[str, Any]:
    return {"device": done.device, "processes": done.processes, **done.versions}


def _results(before: Bake, after: Bake) -> tuple[Difference, ...]:
    rows = [Difference(name, getattr(before, name), getattr(after, name)) for name in _SCALARS]
    for name in ("held_out", "trained"):
        sides = [getattr(one.validation, name) if one.validation else None for one in (before, after)]
        rows.append(Difference(f"validation.{name}", *sides))
    rows.append(Difference("weights", before.weights_sha256[:12], after.weights_sha256[:12]))
    told = [row for row in rows if row.before not in (None, "", 0) or row.after not in (None, "", 0)]
    return (*told, *_measured(before, after))


def _measured(before: Bake, after: Bake) -> tuple[Difference, ...]:
    """What drawn pictures say of each; a share of 0 is a result, too."""
    old, new = numbers(before.measured), numbers(after.measured)
    return tuple(Difference(f"measured.{name}", old.get(name), new.get(name)) for name in {**old, **new})


def compare_data(dataset: Dataset, before: Bake, after: Bake) -> DataDifference:
    """What differs in the data of two bakes: the stage that was exported, of the items that were."""
    stages = source_stage(before.export), source_stage(after.export)
    exports = export_of(dataset, before), export_of(dataset, after)
    for done, found in zip((before, after), exports, strict=True):
        if found is None:
            return DataDifference(stages=stages, unknown=f"the export of {done.id} is not in this history")
    old, new = exports
    assert old is not None
    assert new is not None
    settings = differing(_told(old), _told(new))
    if old.manifest.files == new.manifest.files:
        return DataDifference(stages=stages, settings=settings)
    try:
        change = _stage_change(dataset, (old, new), stages)
    finally:
        dataset.objects.discard()
    return _sorted_out(change, (set(old.manifest.items), set(new.manifest.items)), stages, settings)


def _told(one: Exported) -> dict[str, Any]:
    return {**one.manifest.settings, "flags": msgspec.to_builtins(one.manifest.flags)}


def _stage_change(dataset: Dataset, exports: tuple[Exported, Exported], stages: tuple[str, str]) -> StageChange | None:
    """What differs between the stages that were exported, also where these are two; the trees are never written."""
    roots = []
    for one, stage in zip(exports, stages, strict=True):
        commit = known_object(dataset, one.manifest.commit)
        inner = stage_tree(dataset, dataset.tree_of(commit), stage) if commit else None
        roots.append(dataset.objects.put_tree({stages[1]: Entry(TREE_MODE, inner)}) if inner else None)
    found = compare(dataset, roots[0], roots[1]).stages
    return found[0] if found else None


def _sorted_out(
    change: StageChange | None,
    keys: tuple[set[str], set[str]],
    stages: tuple[str, str],
    settings: tuple[Difference, ...],
) -> DataDifference:
    items = change.items if change else ()
    moved = tuple((item.was, item.key) for item in items if item.was and item.was in keys[0] and item.key in keys[1])
    gone, come = {old for old, _ in moved}, {new for _, new in moved}
    both = (keys[0] & keys[1]) | come
    shared = [item for item in items if item.key in both]
    captions = [CaptionDifference(key=item.key, change=item.caption) for item in shared if item.caption]
    return DataDifference(
        stages=stages,
        added=tuple(sorted(keys[1] - keys[0] - come)),
        dropped=tuple(sorted(keys[0] - keys[1] - gone)),
        moved=moved,
        images=tuple(item.key for item in shared if any(image.mark == "changed" for image in item.images)),
        captions=tuple(captions),
        tags_added=_counts(captions, "tags_added"),
        tags_removed=_counts(captions, "tags_removed"),
        settings=settings,
    )


def _counts(captions: list[CaptionDifference], side: str) -> dict[str, int]:
    counts = Counter(tag for one in captions for tag in getattr(one.change, side))
    return dict(sorted(counts.items(), key=lambda row: (-row[1], row[0])))
