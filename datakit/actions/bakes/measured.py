"""What was measured of a bake, as its ledger file keeps it: shares with their intervals, distances. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from math import sqrt
from typing import Any, Final

import msgspec

Z: Final = 1.959963984540054
"""The 97.5 % point of the standard normal distribution: of 95 % intervals."""
_DIGITS: Final = 4


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """How many of how many, and Wilson's 95 % interval of the share."""

    hits: int
    of: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """0 to 1; 0 of nothing."""
        return self.hits / self.of if self.of else 0.0


class Sides(msgspec.Struct, frozen=True, kw_only=True):
    """The same without and with what the bake made, at equal seeds."""

    before: Share
    after: Share


class Distances(msgspec.Struct, frozen=True, kw_only=True):
    """How far the style of drawn pictures is from the dataset's: mean cosine distances, 0 to 2."""

    before: float
    after: float
    pictures: int
    """Of the dataset, that were looked at."""
    nearer: Sides | None = None
    """Drawn pictures that are more like the dataset's than like what the base draws."""
    own: Share | None = None
    """The same of the dataset's own pictures: as many as can be hoped for."""


class Losses(msgspec.Struct, frozen=True, kw_only=True):
    """The bake's own first and last measurement at fixed noise."""

    kind: str
    """`held_out` or `trained`: of which pictures."""
    steps: tuple[int, int]
    before: float
    after: float


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What drawn pictures say of a bake."""

    trigger: str = ""
    traits: tuple[str, ...] = ()
    """What the trigger stands for."""
    others: tuple[str, ...] = ()
    """Tags that were asked for without the trigger."""
    prompts: tuple[str, ...] = ()
    """Those with the trigger."""
    count: int
    """Pictures of each kind and side."""
    seed: int = 0
    tagger: str = ""
    """Who looked at them; '' where nobody had to."""
    all_traits: Sides | None = None
    """Pictures that show every trait."""
    each_trait: dict[str, Sides] = {}
    kept: Sides | None = None
    """Asked tags that appear, without the trigger."""
    leaked: Sides | None = None
    """Pictures of the same prompts less the trigger that show every trait all the same."""
    style_of: str = ""
    """Whose style: a stage or a folder."""
    style: Distances | None = None
    validation: Losses | None = None
    pictures: str = ""
    """Folder, from the dataset's root."""
    grid: str = ""
    """Path of the pairs side by side, from the dataset's root."""


def share_of(hits: int, of: int) -> Share:
    """A share with its interval."""
    low, high = wilson(hits, of)
    return Share(hits=hits, of=of, low=round(low, _DIGITS), high=round(high, _DIGITS))


def wilson(hits: int, of: int, *, z: float = Z) -> tuple[float, float]:
    """The score interval of a share, 95 % where `z` is Z; 0 to 1 of nothing.

    Wilson 1927, Journal of the American Statistical Association 22, 209-212: the shares p whose expectation is no more
    than z standard deviations sqrt(p (1 - p) / n) from what was seen.
    """
    if not of:
        return 0.0, 1.0
    seen, square = hits / of, z * z
    middle = (seen + square / (2 * of)) / (1 + square / of)
    half = z * sqrt(seen * (1 - seen) / of + square / (4 * of * of)) / (1 + square / of)
    # The ends are 0 and 1 there; sums of rounded numbers miss them by a last digit.
    return (0.0 if hits == 0 else middle - half), (1.0 if hits == of else middle + half)


def as_table(measured: Measured) -> dict[str, Any]:
    """What stands in `[measured]`: nothing that is empty."""
    found: dict[str, Any] = _without_empty(msgspec.to_builtins(measured))
    return {**found, "seed": measured.seed}


def _without_empty(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {name: _without_empty(one) for name, one in value.items()}
        return {name: one for name, one in inner.items() if one is not None and one not in ("", {}, [], ())}
    return list(value) if isinstance(value, tuple) else value


def figures(measured: Measured) -> dict[str, str]:
    """The figures in words, without and with, by what they are of."""
    found = {}
    if measured.all_traits and len(measured.each_trait) > 1:
        found["all traits"] = _sides(measured.all_traits)
    found |= {tag: _sides(sides) for tag, sides in measured.each_trait.items()}
    if measured.kept:
        found["other tags"] = _sides(measured.kept)
    if measured.leaked:
        found["trigger left out"] = _sides(measured.leaked)
    if measured.style:
        found["style distance"] = f"{measured.style.before:.4f} → {measured.style.after:.4f}"
        if measured.style.nearer:
            found["nearer in style"] = _sides(measured.style.nearer)
    if measured.validation:
        kind = measured.validation.kind.replace("_", " ")
        found[f"loss, {kind}"] = f"{measured.validation.before:.4f} → {measured.validation.after:.4f}"
    return found


def numbers(measured: Measured | None) -> dict[str, float]:
    """The figures with the bake, as numbers to be compared by."""
    if measured is None:
        return {}
    found: dict[str, float] = {}
    if measured.all_traits:
        found["all_traits"] = measured.all_traits.after.share
    found |= {f"trait.{tag}": sides.after.share for tag, sides in measured.each_trait.items()}
    if measured.kept:
        found["other_tags"] = measured.kept.after.share
    if measured.leaked:
        found["leaked_traits"] = measured.leaked.after.share
    if measured.style:
        found["style_distance"] = measured.style.after
        if measured.style.nearer:
            found["nearer_in_style"] = measured.style.nearer.after.share
    return found


def _sides(sides: Sides) -> str:
    return f"{percent(sides.before)} → {percent(sides.after)}"


def percent(share: Share) -> str:
    """`75 % (55 to 88)`."""
    return f"{100 * share.share:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f})"
