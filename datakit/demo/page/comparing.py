"""What a stage did with what the stage before gave it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from datakit.demo.page.diffs import TagChange, changes
from datakit.demo.page.facts import Dataset, Dropped, Item, Stage

NOT_SAID = Dropped("", "the stage before has it, and no rule is named")


@dataclass(frozen=True)
class Transition:
    """A stage beside the one before."""

    stage: Stage
    before: Stage | None
    """None for raw."""
    dropped: Mapping[str, Dropped]
    redrawn: tuple[tuple[Item, Item], ...]
    """Items whose image has other bytes: before, now."""
    new: tuple[str, ...]
    """Keys that the stage before lacks."""
    captions: Mapping[str, tuple[TagChange, ...]]
    """Key → its caption, held against the one before; items without a caption are left out."""

    @property
    def num_captions(self) -> int:
        """Items that have one."""
        return sum(item.caption is not None for item in self.stage.items.values())

    def totals(self) -> Counter[tuple[str, str]]:
        """(`added` or `removed`, tag) → in how many captions."""
        found = ((one.kind, one.text) for each in self.captions.values() for one in each)
        return Counter(pair for pair in found if pair[0] in {"added", "removed"})


def transitions(dataset: Dataset) -> Iterator[Transition]:
    """Of every stage, in their order."""
    before: Stage | None = None
    for stage in dataset.stages:
        yield _transition(stage, before, dataset.posted if stage.name == "captioned" else None)
        # What was never written is no stage before.
        before = stage if stage.items or stage.dropped else before


def _transition(stage: Stage, before: Stage | None, posted: Mapping[str, str] | None) -> Transition:
    old = before.items if before and stage.items else {}
    missing = [key for key in old if key not in stage.items]
    pairs = [(old[key], item) for key, item in stage.items.items() if key in old]
    words = {key: item.caption or "" for key, item in old.items()} if posted is None else posted
    return Transition(
        stage=stage,
        before=before,
        dropped={**dict.fromkeys(missing, NOT_SAID), **stage.dropped},
        redrawn=tuple((was, now) for was, now in pairs if was.digest != now.digest),
        new=tuple(key for key in stage.items if old and key not in old),
        captions={
            key: changes(words.get(key, ""), item.caption)
            for key, item in stage.items.items()
            if item.caption is not None and before is not None
        },
    )
