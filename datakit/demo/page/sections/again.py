"""How to do it all again: the commands that were run, the settings, versions, seeds, and the history that is left."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from datakit import __version__
from datakit.demo.page.facts import Bake, Dataset, Facts, Record
from datakit.demo.page.markup import Html, el
from datakit.demo.page.parts import code, more, pairs, pill, section, table
from datakit.demo.page.record import number
from datakit.demo.page.words import duration

_COMMIT: Final = 10


def render(facts: Facts, *, anchor: str, title: str) -> Html:
    """The part."""
    lead = "The same commands give the same dataset, and on the same machine the same weights."
    return section(
        anchor,
        title,
        lead,
        _commands(facts.record),
        el("div", _versions(facts.bakes), _seeds(facts), class_="two"),
        [more(f"{dataset.name}/dsk.toml", code(dataset.settings)) for dataset in facts.datasets if dataset.settings],
        [_operations(dataset) for dataset in facts.datasets if dataset.operations],
    )


def _commands(record: Record) -> Html | None:
    if not record.steps:
        return None
    rows = []
    folder = ""
    for step in record.steps:
        if step.folder != folder and step.folder:
            rows.append(el("li", el("code", f"cd {shlex.quote(step.folder)}")))
        folder = step.folder
        ended = pill(f"exit {step.code}", "changed") if step.code else None
        rows.append(
            el("li", el("code", shlex.join(step.words)), el("span", ended, duration(step.seconds), class_="end"))
        )
    total = sum(step.seconds for step in record.steps)
    return el("div", el("h3", "Commands ", pill(duration(total))), el("ol", rows, class_="commands"))


def _versions(bakes: tuple[Bake, ...]) -> Html:
    """Of the newest bake's ledger, which has every library that decides about the bits."""
    found = bakes[-1].ledger.get("versions") if bakes else None
    rows = found if isinstance(found, dict) and found else {"dsk": __version__}
    return el("div", el("h3", "Versions"), pairs((str(key), str(value)) for key, value in rows.items()))


def _seeds(facts: Facts) -> Html | None:
    rows = [(name, str(seed)) for name, seed in facts.record.seeds.items()]
    for bake in facts.bakes:
        rows += [(f"bake {bake.id}", str(seed)) for seed in [bake.ledger.get("seed")] if seed is not None]
        sample = _part(_part(bake.ledger, "resolved"), "sample").get("seed")
        rows += [(f"samples of {bake.id}", str(sample))] if sample is not None else []
    return el("div", el("h3", "Seeds"), pairs(rows)) if rows else None


def _part(value: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = value.get(name)
    return found if isinstance(found, dict) else {}


def _operations(dataset: Dataset) -> Html:
    rows = [
        (el("code", str(row.get("commit", ""))[:_COMMIT]), _when(row.get("time")), str(row.get("subject", "")))
        for row in reversed(dataset.operations)
    ]
    return more(
        f"History of {dataset.name}: {len(rows)} operations, one commit each", table(("commit", "when", "what"), rows)
    )


def _when(value: object) -> str:
    seconds = number(value)
    if seconds is None:
        return ""
    try:
        return datetime.fromtimestamp(seconds, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return ""
