"""The figures of the bakes, out of the ledgers, as one file that the page reads."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from datakit.demo.page.record import MEASURED


def write_figures(home: Path, dataset: str) -> Path:
    """Write `measured.json` with a row for each bake of the dataset that was measured; returns its path."""
    path = home / MEASURED
    path.write_text(json.dumps(list(_rows(home / dataset)), indent=1), "utf-8")
    return path


def _rows(dataset: Path) -> Iterator[dict[str, Any]]:
    for ledger_path in sorted((dataset / "bakes").glob("*.toml")):
        ledger = tomllib.loads(ledger_path.read_text("utf-8"))
        if measured := ledger.get("measured"):
            yield row_of(ledger_path.stem, ledger["seconds"], measured)


def row_of(bake: str, seconds: float, measured: Mapping[str, Any]) -> dict[str, Any]:
    """The row of one bake; what was not measured is not in it."""
    row = {
        "bake": bake,
        "kind": "style" if "style" in measured else "character",
        "trigger": measured.get("trigger", ""),
        "traits": list(measured.get("traits", ())),
        "seconds": seconds,
        "grid": measured.get("grid", ""),
    }
    shares = {
        ("without", "with"): measured.get("all_traits"),
        ("other_tags_before", "other_tags_after"): measured.get("kept"),
        ("leaked_before", "leaked_after"): measured.get("leaked"),
        ("nearer_before", "nearer_after"): measured.get("style", {}).get("nearer"),
    }
    for names, sides in shares.items():
        if sides:
            row |= {name: _share(sides[side]) for name, side in zip(names, ("before", "after"), strict=True)}
    for field, name in (("style", "style_distance"), ("validation", "validation")):
        if pair := measured.get(field):
            row |= {f"{name}_before": pair["before"], f"{name}_after": pair["after"]}
    return row


def _share(counted: Mapping[str, int]) -> float:
    return counted["hits"] / counted["of"]
