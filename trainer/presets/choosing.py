"""Finds a preset by its name, or by its style alone for the family of the base.

A preset is a run's TOML with a line `about = "..."`, and below `[v_prediction.<section>]` what is otherwise where a
v-prediction network is trained.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trainer import bases
from trainer.contracts.model import Prediction
from trainer.errors import ConfigError, nearest
from trainer.layers import Layer, value_at
from trainer.registry import FAMILIES

_FOLDER = Path(__file__).parent
_OVERLAY = "v_prediction"
_NO_BASE = "tiny"


@dataclass(frozen=True)
class Preset:
    """One file."""

    name: str
    family: str
    style: str
    about: str
    text: str
    """As it is written, with the sources of its numbers."""
    tables: dict[str, Any]
    overlay: dict[str, Any]
    """For a v-prediction network, over the others."""


def names() -> tuple[str, ...]:
    """All presets, sorted."""
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


def read(name: str) -> Preset:
    """The preset of that full name. Raises ConfigError, naming the nearest."""
    if name not in names():
        styles = {known.partition("-")[2] for known in names()}
        raise ConfigError(f"preset: there is no {name!r}", hint=nearest(name, {*names(), *styles}))
    text = (_FOLDER / f"{name}.toml").read_text("utf-8")
    tables = tomllib.loads(text)
    about, overlay = tables.pop("about"), tables.pop(_OVERLAY, {})
    family, _, style = name.partition("-")
    return Preset(name, family, style, about, text, tables, overlay)


def layers(name: str, tables: dict[str, Any], absolute: Callable[[str], str]) -> list[Layer]:
    """The preset as the lowest layers of a run whose own tables are given, in which paths are not absolute yet.

    Raises ConfigError, and BaseModelError where the base has to be asked and cannot be read.
    """
    family, says = _told(tables, absolute)
    name = f"{family}-{name}" if f"{family}-{name}" in names() else name
    preset = read(name)
    if preset.family != family:
        raise _misfit(preset, family, is_told=_is_told(tables))
    found = [Layer(f"preset {name}", preset.tables, is_preset=True)]
    asked = value_at(tables, "objective.name") or "auto"
    if preset.overlay and (says.objective if asked == "auto" else asked) == "v_prediction":
        found.append(Layer(f"preset {name}, v-prediction", preset.overlay, is_preset=True))
    return found


def _is_told(tables: dict[str, Any]) -> bool:
    return bool(value_at(tables, "model.base") or value_at(tables, "model.family"))


def _misfit(preset: Preset, family: str, *, is_told: bool) -> ConfigError:
    if not is_told:
        return ConfigError(
            f"preset {preset.name} is for {preset.family}, and no base is named",
            hint=f"set model.base; without one, preset = {preset.style!r} is that of a tiny network",
        )
    fitting = [one for one in names() if one.startswith(f"{family}-")]
    has_style = f"{family}-{preset.style}" in fitting
    return ConfigError(
        f"preset {preset.name} is for {preset.family}, and the base is {family}",
        hint=f"preset = {preset.style!r} fits every base" if has_style else f"for {family}: {', '.join(fitting)}",
    )


def _told(tables: dict[str, Any], absolute: Callable[[str], str]) -> tuple[str, Prediction]:
    """The family and what its network says, as the plan finds them later."""
    family, base = value_at(tables, "model.family"), value_at(tables, "model.base")
    prediction = Prediction()
    if family:
        FAMILIES.check(family, field="model.family")
    if base:
        names = [family] if family else FAMILIES.names()
        known = {one: FAMILIES.load(one, field="model.family") for one in names}
        family, prediction = bases.identify(bases.read_header(Path(absolute(base))), known)
    asked = value_at(tables, "model.prediction_type")
    if asked and asked != "auto":
        prediction = Prediction(asked)
    return family or _NO_BASE, prediction
