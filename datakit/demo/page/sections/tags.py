"""Which tags the captions have, and what the tagger sees in a few pictures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from datakit.demo.page.facts import Dataset, Scores
from datakit.demo.page.markup import Html, el
from datakit.demo.page.parts import LARGE_PX, bar, more, name, picture, section, table
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.record import number

_SHOWN: Final = 24
_SHOWN_SCORES: Final = 14
_CATEGORIES: Final = frozenset({"general", "artist", "copyright", "character", "meta", "species"})


def render(dataset: Dataset, pictures: Pictures, *, anchor: str, title: str) -> Html | None:
    """The part for one dataset; None where there are no tags to count."""
    found = dataset.tags.get("tags") if dataset.tags else None
    rows = [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []
    if not rows:
        return None
    most = max(number(row.get("count")) or 0.0 for row in rows) or 1.0
    stage = str((dataset.tags or {}).get("stage", ""))
    lead = f"{len(rows):,} tags in the captions of {stage}, the commonest first."
    left = rows[_SHOWN:]
    return section(
        anchor,
        title,
        lead,
        _legend(rows),
        _table(rows[:_SHOWN], most),
        more(f"{len(left):,} rarer tags", _table(left, most)) if left else None,
        _scores(dataset, pictures),
    )


def _legend(rows: list[dict[str, Any]]) -> Html:
    kinds = dict.fromkeys(_kind(row) for row in rows)
    return el("ul", [el("li", el("i", class_=kind), kind) for kind in kinds], class_="legend")


def _kind(row: Mapping[str, Any]) -> str:
    category = str(row.get("category", ""))
    return category if category in _CATEGORIES else "other"


def _table(rows: list[dict[str, Any]], most: float) -> Html:
    lines = []
    for row in rows:
        times = number(row.get("count")) or 0.0
        lines.append(
            (el("span", str(row.get("tag", "")), class_="tag"), f"{times:,.0f}", bar(times / most, _kind(row)))
        )
    return table(("tag", "captions", ""), lines, class_="tags")


def _scores(dataset: Dataset, pictures: Pictures) -> Html | None:
    if not dataset.scores:
        return None
    items = next((stage.items for stage in reversed(dataset.stages) if stage.items), {})
    cards = []
    for one in dataset.scores:
        item = items.get(one.key)
        shown = picture(pictures, item, side_px=LARGE_PX) if item else None
        cards.append(el("figure", shown, el("figcaption", name(one.key), _bars(one))))
    told = f"Seen by {', '.join(dataset.taggers)}. Outlined bars: tags that the caption lacks."
    return el("div", el("h3", "What the tagger sees"), el("p", told, class_="lead"), el("div", cards, class_="seen"))


def _bars(one: Scores) -> Html:
    """The likeliest tags first."""
    rows = [(score, tag, "said") for tag, score in one.said.items()]
    rows += [(score, tag, "unsaid") for tag, score in one.unsaid.items()]
    rows.sort(key=lambda row: (-row[0], row[1]))
    lines = [(el("span", tag, class_="tag"), bar(score, kind), f"{score:.2f}") for score, tag, kind in rows]
    return table(("tag", "", "score"), lines[:_SHOWN_SCORES], class_="scores")
