"""The bakes of a dataset: the ledger's files, the logs that the trainer wrote, and what was measured of them."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from datakit.demo.page.facts import Bake
from datakit.demo.page.record import MEASURED, number, read_json
from datakit.demo.page.stagefiles import read_text

_CURVES: Final = ("trained", "held_out")


def read_bakes(root: Path, measured: Mapping[str, Mapping[str, Any]]) -> Iterator[Bake]:
    """Oldest first; a ledger file that is no TOML is passed by."""
    for path in sorted((root / "bakes").glob("*.toml")):
        entry = read_text(path) or ""
        try:
            ledger = tomllib.loads(entry)
        except tomllib.TOMLDecodeError:
            continue
        logs = root / ".dsk" / "bakes" / path.stem
        yield Bake(
            id=path.stem,
            dataset=root.name,
            ledger=ledger,
            entry=entry,
            losses=_curve(_rows(logs / "loss.jsonl"), "loss"),
            validation=_validation(logs, ledger),
            grid=_grid(root, ledger, measured.get(path.stem, {})),
            measured=measured.get(path.stem, {}),
        )


def read_measured(home: Path) -> dict[str, Mapping[str, Any]]:
    """Bake → its figures, of `measured.json`."""
    rows = read_json(home / MEASURED)
    rows = rows if isinstance(rows, list) else []
    return {str(row["bake"]): row for row in rows if isinstance(row, dict) and row.get("bake")}


def _validation(logs: Path, ledger: Mapping[str, Any]) -> dict[str, tuple[tuple[int, float], ...]]:
    """Of the log; the ledger has the last values only."""
    rows = _rows(logs / "validation.jsonl")
    curves = {name: _curve(rows, name) for name in _CURVES}
    last = ledger.get("validation")
    if not any(curves.values()) and isinstance(last, dict):
        curves = {name: _curve([{"step": ledger.get("steps"), **last}], name) for name in _CURVES}
    return {name: curve for name, curve in curves.items() if curve}


def _curve(rows: list[dict[str, Any]], name: str) -> tuple[tuple[int, float], ...]:
    pairs = ((number(row.get("step")), number(row.get(name))) for row in rows)
    return tuple((int(step), value) for step, value in pairs if step is not None and value is not None)


def _rows(path: Path) -> list[dict[str, Any]]:
    """A log's lines; one that a crash cut short is passed by."""
    try:
        lines = path.read_bytes().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict):
            found.append(row)
    return found


def _grid(root: Path, ledger: Mapping[str, Any], measured: Mapping[str, Any]) -> Path | None:
    """The picture before and after: the one that was measured, else the ledger's. It lies in the demonstration."""
    home = root.parent
    places = [place / str(measured["grid"]) for place in (home, root) if measured.get("grid")]
    if ledger.get("grid"):
        places.append(root / str(ledger["grid"]))
    for path in places:
        if path.is_file() and path.resolve().is_relative_to(home.resolve()):
            return path
    return None
