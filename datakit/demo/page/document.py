"""The page as a whole: a head with the figures that matter, then its parts."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from typing import Final

from datakit import __version__
from datakit.demo.page.facts import Dataset, Facts
from datakit.demo.page.markup import Html, el, join
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.record import number
from datakit.demo.page.sections import again, bakes, findings, stages, tags
from datakit.demo.page.words import percent

MOST_BYTES: Final = 6_000_000
PICTURES_BYTES: Final = 5_000_000
"""The rest is text, of which none is longer than it is shown."""
_POLICY: Final = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"


def page(facts: Facts) -> str:
    """The document's text."""
    pictures = Pictures(PICTURES_BYTES)
    # Grids first: whatever there is room for, they are what it was done for.
    baked = bakes.render(facts.bakes, pictures, anchor="bakes", title="Bakes")
    parts = list(_dataset_parts(facts, pictures))
    if baked is not None:
        parts.append(("Bakes", "bakes", baked))
    parts.append(("Again", "again", again.render(facts, anchor="again", title="All of it again")))
    links = [el("a", word, href=f"#{anchor}") for word, anchor, _ in parts]
    left = f" {pictures.num_left_out} pictures are left out: there was no room." if pictures.num_left_out else ""
    silent = "; ".join(why for dataset in facts.datasets for why in dataset.unanswered)
    left += f" What these would have told is left out: {silent}." if silent else ""
    body = (
        el("header", _hero(facts), class_="top"),
        el("nav", el("div", links), aria_label="Parts"),
        el("main", [part for _, _, part in parts]),
        el("footer", f"Written by dsk {__version__}. This file loads nothing.{left}"),
    )
    return f"<!doctype html>\n{el('html', _head(facts), el('body', body), lang='en')}\n"


def _dataset_parts(facts: Facts, pictures: Pictures) -> Iterator[tuple[str, str, Html]]:
    """Word of the menu, anchor, part."""
    for number_, dataset in enumerate(facts.datasets, 1):
        end, of = ("", "") if len(facts.datasets) == 1 else (f"-{number_}", f": {dataset.name}")
        made = (
            ("Stages", "stages", stages.render(dataset, pictures, anchor=f"stages{end}", title=f"Stage by stage{of}")),
            ("Findings", "lint", findings.render(dataset, pictures, anchor=f"lint{end}", title=f"What lint found{of}")),
            ("Tags", "tags", tags.render(dataset, pictures, anchor=f"tags{end}", title=f"Tags{of}")),
        )
        for word, anchor, part in made:
            if part is not None:
                yield f"{word}{of}", f"{anchor}{end}", part


def _head(facts: Facts) -> Html:
    style = resources.files("datakit.demo.page").joinpath("style.css").read_text("utf-8")
    return el(
        "head",
        el("meta", charset="utf-8"),
        el("meta", name_="viewport", content="width=device-width, initial-scale=1"),
        el("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        el("meta", name_="color-scheme", content="light dark"),
        el("title", f"{facts.datasets[0].name}: from a scrape to a LoRA"),
        el("style", Html(style)),
    )


def _hero(facts: Facts) -> Html:
    tiles = [
        el("li", el("b", value), el("span", label))
        for value, label in (*_dataset_tiles(facts.datasets[0]), *_bake_tiles(facts))
    ]
    return join(
        el("p", "dsk demonstration", class_="eyebrow"),
        el("h1", "From a scrape to a LoRA"),
        el(
            "p",
            "Pictures that were drawn on the spot, with the faults that real scrapes have, and what became of them.",
            class_="lead",
        ),
        el("ul", tiles, class_="tiles"),
    )


def _dataset_tiles(dataset: Dataset) -> Iterator[tuple[str, str]]:
    first, last = dataset.stages[0], dataset.stages[-1]
    yield f"{len(first.items):,}", "pictures scraped"
    if last.items:
        yield f"{len(last.items):,}", "pictures exported"
    before, now = (_num_findings(report) for report in (dataset.lint_before, dataset.lint_now))
    if before is not None and now is not None:
        yield f"{before} → {now}", "lint findings"
    tags_ = number((dataset.tags or {}).get("num_tags"))
    if tags_ is not None:
        yield f"{tags_:,.0f}", "tags"


def _num_findings(report: object) -> int | None:
    found = report.get("findings") if isinstance(report, dict) else None
    return len(found) if isinstance(found, list) else None


def _bake_tiles(facts: Facts) -> Iterator[tuple[str, str]]:
    if facts.bakes:
        yield f"{len(facts.bakes)}", "LoRA baked" if len(facts.bakes) == 1 else "LoRAs baked"
    for bake in facts.bakes:
        without, with_ = (number(bake.measured.get(name)) for name in ("without", "with"))
        if without is not None and with_ is not None:
            yield f"{percent(without)} → {percent(with_)}", f"{bake.measured.get('trigger') or bake.id}: traits drawn"
