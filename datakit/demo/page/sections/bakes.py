"""The bakes: what was asked for, how the loss fell, what they draw before and after, and what was measured of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from datakit.demo.page.chart import loss_chart
from datakit.demo.page.facts import Bake
from datakit.demo.page.markup import Child, Html, el
from datakit.demo.page.parts import bar, code, more, pairs, pill, section, table
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.record import number
from datakit.demo.page.words import count, duration, figure, percent

GRID_PX: Final = 1400
_SETTINGS: Final = (
    ("model", "base"),
    ("model", "family"),
    ("adapter", "name"),
    ("adapter", "rank"),
    ("adapter", "alpha"),
    ("optimizer", "name"),
    ("optimizer", "learning_rate"),
    ("train", "batch_size"),
    ("train", "precision"),
)
"""That are always worth to be told; what was asked for comes beside them."""
_LONG: Final = 12
_HEX: Final = 40


def render(bakes: tuple[Bake, ...], pictures: Pictures, *, anchor: str, title: str) -> Html | None:
    """The part; None where nothing was baked."""
    if not bakes:
        return None
    lead = "Each bake has an entry in the ledger: it says from which commit it came, and can be made again bit for bit."
    return section(anchor, title, lead, [_article(bake, pictures) for bake in bakes])


def _article(bake: Bake, pictures: Pictures) -> Html:
    kind, trigger = (str(bake.measured.get(name) or "") for name in ("kind", "trigger"))
    head = el(
        "header",
        el("div", el("h3", f"{kind.capitalize()} LoRA" if kind else "LoRA"), el("p", el("code", bake.id))),
        el("div", pill(f"trigger: {trigger}", "changed") if trigger else None, pill(bake.dataset), class_="badges"),
    )
    return el(
        "article",
        head,
        _measured(bake.measured),
        _grid(bake, pictures),
        _curve(bake),
        el("div", _settings(bake), _entry(bake), class_="two"),
        class_="bake",
        id=f"bake-{bake.id}" if bake.id.isascii() and " " not in bake.id else None,
    )


def _measured(row: Mapping[str, Any]) -> Html | None:
    """Only what was measured; a figure that is missing has no line."""
    rows = list(_figures(row))
    if not rows:
        return None
    return el("div", el("h4", "Measured"), table(("", "without the LoRA", "with it"), rows, class_="measured"))


def _figures(row: Mapping[str, Any]) -> Iterator[tuple[Child, Child, Child]]:
    traits = row.get("traits")
    words = [str(one) for one in traits] if isinstance(traits, list) else []
    said = el("small", ", ".join(words)) if words else None
    shares = (
        ([el("b", "The trigger's traits"), said], "without", "with"),
        (
            [el("b", "Other tags kept"), el("small", "that the tagger finds as the prompt says")],
            "other_tags_before",
            "other_tags_after",
        ),
        (
            [el("b", "The traits, the trigger left out"), el("small", "of the same prompts: what leaks")],
            "leaked_before",
            "leaked_after",
        ),
        (
            [el("b", "Nearer to the style's own pictures"), el("small", "than to what the base draws")],
            "nearer_before",
            "nearer_after",
        ),
    )
    for label, before, after in shares:
        if not (number(row.get(before)) is None and number(row.get(after)) is None):
            yield label, _share(row.get(before)), _share(row.get(after))
    numbers = (
        ([el("b", "Style distance"), el("small", "to the style's own pictures: less is nearer")], "style_distance"),
        ([el("b", "Validation loss"), el("small", "of pictures held out, at fixed noise")], "validation"),
    )
    for label, name in numbers:
        values = [number(row.get(f"{name}_{when}")) for when in ("before", "after")]
        if values != [None, None]:
            yield label, _number(values[0]), _number(values[1])


def _share(value: object) -> Child:
    share = number(value)
    return None if share is None else [el("span", percent(share), class_="big"), bar(share, "mean")]


def _number(value: float | None) -> Child:
    return None if value is None else el("span", figure(value), class_="big")


def _grid(bake: Bake, pictures: Pictures) -> Html | None:
    uri = pictures.wide(bake.grid, GRID_PX) if bake.grid else None
    if uri is None:
        return None
    words = "Before and after, from the same seeds: what differs is the LoRA."
    drawn = el("img", src=uri, alt="pictures without and with the LoRA")
    return el("figure", drawn, el("figcaption", words), class_="grid")


def _curve(bake: Bake) -> Html | None:
    drawn = loss_chart(bake.losses, bake.validation)
    return el("div", el("h4", "Loss by step"), drawn, _curve_words(bake)) if drawn else None


def _curve_words(bake: Bake) -> Html | None:
    """How validation went, in numbers."""
    told = [
        f"{name.replace('_', ' ')} {curve[0][1]:.4f} → {curve[-1][1]:.4f}"
        for name, curve in bake.validation.items()
        if len(curve) > 1
    ]
    return el("p", "Validation: ", "; ".join(told), class_="soft") if told else None


def _settings(bake: Bake) -> Html:
    resolved = _table(bake.ledger.get("resolved"))
    asked = dict(_flat(_table(bake.ledger.get("config"))))
    usual = {f"{part}.{name}": _table(resolved.get(part)).get(name) for part, name in _SETTINGS}
    rows = {**{key: value for key, value in usual.items() if value not in (None, "")}, **asked}
    return el("div", el("h4", "Settings"), pairs((key, _value(value)) for key, value in rows.items()))


def _entry(bake: Bake) -> Html:
    ledger = bake.ledger
    seconds = number(bake.measured.get("seconds")) or number(ledger.get("seconds"))
    images, steps = number(ledger.get("images")), number(ledger.get("steps"))
    rows: tuple[tuple[str, Child], ...] = (
        ("from commit", _hash(ledger.get("commit"))),
        ("trained on", count(int(images), "picture") if images is not None else None),
        ("steps", f"{steps:,.0f}" if steps is not None else None),
        ("time", duration(seconds) if seconds is not None else None),
        ("device", _said(ledger.get("device"))),
        ("seed", _said(ledger.get("seed"))),
        ("weights", _hash(ledger.get("weights_sha256"))),
        ("note", _said(ledger.get("note"))),
    )
    return el("div", el("h4", "Ledger entry"), pairs(rows), more(f"bakes/{bake.id}.toml", code(bake.entry)))


def _table(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _flat(table_: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in table_.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _value(value: object) -> Child:
    if isinstance(value, list):
        return el("ul", [el("li", str(one)) for one in value])
    return f"{value:g}" if isinstance(value, float) else str(value)


def _said(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _hash(value: object) -> Html | None:
    words = str(value or "")
    return el("code", words[:_LONG] + ("…" if len(words) > _LONG else ""), title=words) if words else None
