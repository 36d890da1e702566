"""The images worth working on: garbage is left out, each time with rule, reason and evidence.

Rules, in this order; the first that applies is the one that is told:

- `unreadable`: the file is empty, truncated, damaged, no image, or too large to be decoded safely.
- `too-small`: its shorter side, upright, is under `min_side_px`.
- `exact-duplicate`: the same bytes as another image. One stays: one with tags before one without, then one with a
  caption that came along, then the first by name. The evidence names it.

A dropped image is still in `raw`, and `filtered/stage.json` tells its reason. Copied back by hand into `filtered`, it
stays there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec

from datakit.images.measure import probe
from datakit.model.stage import Drop, Keep, Outcome, Product, Stage, Subject
from stages.wording import kept_of

_WORDS: Final = {
    "exact-duplicate": ("exact duplicate", "exact duplicates"),
    "too-small": ("too small", "too small"),
    "unreadable": ("unreadable", "unreadable"),
}


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Section `[filtered]` of dsk.toml."""

    min_side_px: Annotated[int, msgspec.Meta(ge=0)] = 256
    """Images whose shorter side is under this are dropped; 0 keeps all sizes."""
    exact_duplicates: bool = True
    """Whether only one of several images with the same bytes is kept."""


def inspect(data: bytes, options: None) -> Product:
    """The facts of the image, decoded completely: `datakit.images.measure.ImageFacts` as JSON values."""
    return Product(facts=msgspec.to_builtins(probe(data)))


def decide(subjects: Sequence[Subject], settings: Settings) -> list[Outcome]:
    """Keep or drop each item."""
    drops: dict[str, Drop] = {}
    for subject in subjects:
        drop = _unreadable(subject) or _too_small(subject, settings.min_side_px)
        if drop:
            drops[subject.key] = drop
    if settings.exact_duplicates:
        drops |= _exact_duplicates([subject for subject in subjects if subject.key not in drops])
    return [
        drops.get(subject.key) or Keep(key=subject.key, image=subject.image, caption=subject.caption)
        for subject in subjects
    ]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 of 24 kept (1 exact duplicate, 1 unreadable)`."""
    return kept_of(outcomes, _WORDS)


def _unreadable(subject: Subject) -> Drop | None:
    reason = subject.facts.get("unreadable", "")
    if not reason:
        return None
    return Drop(key=subject.key, rule="unreadable", reason=reason, evidence={"reason": reason})


def _too_small(subject: Subject, min_side_px: int) -> Drop | None:
    width, height = _size(subject.facts)
    if min(width, height) >= min_side_px:
        return None
    return Drop(
        key=subject.key,
        rule="too-small",
        reason=f"{width} x {height} px, its shorter side is under {min_side_px} px",
        evidence={"size_px": [width, height], "min_side_px": min_side_px},
    )


def _size(facts: Mapping[str, Any]) -> tuple[int, int]:
    width, height = facts["oriented_size_px"]
    return width, height


def _exact_duplicates(subjects: Sequence[Subject]) -> dict[str, Drop]:
    groups: dict[str, list[Subject]] = {}
    for subject in subjects:
        groups.setdefault(subject.image.sha256, []).append(subject)
    drops = {}
    for sha256, group in groups.items():
        keeper = min(group, key=_rank)
        for subject in group:
            if subject is not keeper:
                drops[subject.key] = Drop(
                    key=subject.key,
                    rule="exact-duplicate",
                    reason=f"the same bytes as {keeper.key}",
                    evidence={"keeper": keeper.key, "sha256": sha256},
                )
    return drops


def _rank(subject: Subject) -> tuple[bool, bool, str]:
    """Smallest for the image that is worth keeping."""
    has_tags = subject.record is not None and any(subject.record.tags.values())
    return not has_tags, not subject.scraped_caption, subject.key


STAGE = Stage(
    name="filtered", version=1, settings=Settings, decide=decide, scope="content", inspect=inspect, summarise=summarise
)
