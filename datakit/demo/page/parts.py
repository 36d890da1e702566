"""Pieces that several parts of the page are made of."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from datakit.demo.page.facts import Item
from datakit.demo.page.markup import Child, Html, el
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.words import short

SMALL_PX = 128
LARGE_PX = 256


def section(anchor: str, title: str, lead: str, *children: Child) -> Html:
    """A part of the page with its heading and a sentence."""
    return el("section", el("h2", title), el("p", lead, class_="lead") if lead else None, *children, id=anchor)


def picture(pictures: Pictures, item: Item, *, side_px: int = SMALL_PX, hint: str = "") -> Html:
    """An item's thumbnail, or what says that there is none."""
    return image(pictures, item.image, item.key, side_px=side_px, digest=item.digest, hint=hint)


def image(
    pictures: Pictures, path: Path, key: str, *, side_px: int = SMALL_PX, digest: str = "", hint: str = ""
) -> Html:
    """The thumbnail of a file."""
    uri = pictures.thumbnail(path, side_px, digest=digest)
    title = "\n".join(filter(None, (key, hint)))
    if uri is None:
        return el("span", el("span", "no picture"), class_="pic none", title=title, role="img", aria_label=short(key))
    return el("img", src=uri, alt=short(key), title=title, class_="pic")


def pill(words: str, kind: str = "") -> Html:
    """A word in a box."""
    return el("span", words, class_=f"pill {kind}".rstrip())


def name(key: str) -> Html:
    """An item's name, its hashes cut short."""
    return el("span", short(key), class_="name", title=key)


def table(head: Iterable[Child], rows: Iterable[Iterable[Child]], *, class_: str = "") -> Html:
    """A table that scrolls sideways where it is too wide."""
    top = el("thead", el("tr", [el("th", cell) for cell in head]))
    body = el("tbody", [el("tr", [el("td", cell) for cell in row]) for row in rows])
    return el("div", el("table", top, body, class_=class_ or None), class_="scroll")


def pairs(rows: Iterable[tuple[str, Child]]) -> Html:
    """Names with their values, those without a value left out."""
    return el("dl", [el("div", el("dt", key), el("dd", value)) for key, value in rows if value], class_="pairs")


def more(summary: str, *children: Child) -> Html:
    """What is shown when it is asked for."""
    return el("details", el("summary", summary), *children)


def code(words: str) -> Html:
    """A block of text as it stands in a file."""
    return el("pre", el("code", words.rstrip("\n")), tabindex="0")


def bar(share: float, kind: str = "") -> Html:
    """A bar of so much of its room, 0 to 1."""
    width = f"width:{min(1.0, max(0.0, share)) * 100:.1f}%"
    return el("span", el("i", style=width, class_=kind or None), class_="bar", aria_hidden="true")
