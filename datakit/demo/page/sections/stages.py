"""The dataset before and after each stage: what came, what was left out and why, what was changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath
from typing import Final

from datakit.demo.page.comparing import Transition, transitions
from datakit.demo.page.diffs import TagChange, fold
from datakit.demo.page.facts import Dataset, Item, Stage
from datakit.demo.page.markup import Html, el, join
from datakit.demo.page.parts import LARGE_PX, code, more, name, picture, pill, section
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.words import count, short

ABOUT: Final = {
    "raw": "The scrape as it came: nothing is overwritten, nothing is guessed.",
    "filtered": "Garbage and copies are left out, each with its reason. Their files stay in raw.",
    "edited": "Pictures are turned upright, and laid on a colour where they are transparent.",
    "captioned": "Tags of the site, captions that came along and what taggers see become one caption.",
    "cleaned": "Tags become a prompt: the trigger in front, what is on the blacklist out.",
    "wip": "The bench: what a person changes here survives every rebuild.",
    "export": "What a trainer reads, written from wip.",
}
_SHOWN: Final = 36
_SHOWN_CHANGED: Final = 8
_SHOWN_TOTALS: Final = 14
_SIGNS: Final = {"added": "+", "removed": "−", "kept": "", "respelled": ""}


def render(dataset: Dataset, pictures: Pictures, *, anchor: str, title: str) -> Html:
    """The part for one dataset."""
    found = list(transitions(dataset))
    lead = "Seven stages, each a pure function of the one before. People's edits ride on top."
    articles = [
        el(
            "article",
            _head(number, one),
            _body(one, dataset, pictures),
            class_="stage",
            id=f"{anchor}-{one.stage.name}",
        )
        for number, one in enumerate(found, 1)
    ]
    return section(anchor, title, lead, _flow(found, anchor), articles)


def _flow(found: list[Transition], anchor: str) -> Html:
    """All stages in one line, with what each did."""
    steps = [
        el(
            "li",
            el(
                "a",
                el("span", one.stage.name, class_="stage"),
                el("b", f"{len(one.stage.items):,}"),
                el("small", _delta(one)),
                href=f"#{anchor}-{one.stage.name}",
            ),
        )
        for one in found
    ]
    return el("ol", steps, class_="flow")


def _delta(one: Transition) -> str:
    if one.before is None:
        return count(len(_concepts(one.stage)), "concept")
    if not one.stage.items:
        return "empty"
    if one.dropped:
        return f"{len(one.dropped)} dropped"
    if one.stage.files:
        return count(len(_folders(one.stage)), "folder")
    if one.redrawn:
        return f"{len(one.redrawn)} redrawn"
    changed = sum(any(change.kind != "kept" for change in each) for each in one.captions.values())
    return count(changed, "caption") if changed else "as before"


def _head(number: int, one: Transition) -> Html:
    return el(
        "header",
        el("span", str(number), class_="number", aria_hidden="true"),
        el("div", el("h3", one.stage.name), el("p", ABOUT[one.stage.name])),
        el("div", _badges(one), class_="badges"),
    )


def _body(one: Transition, dataset: Dataset, pictures: Pictures) -> Html:
    return join(
        _dropped(one, pictures),
        _flagged(one.stage),
        _redrawn(one, pictures),
        _captions(one, dataset, pictures),
        _exported(one.stage) if one.stage.files else None,
        _gallery(one, pictures),
    )


def _badges(one: Transition) -> Iterator[Html]:
    yield pill(count(len(one.stage.items), "picture"))
    if one.num_captions:
        yield pill(count(one.num_captions, "caption"))
    if one.dropped:
        yield pill(f"−{len(one.dropped)} dropped", "removed")
    if one.new:
        yield pill(f"+{len(one.new)} new", "added")
    if one.redrawn:
        yield pill(f"{len(one.redrawn)} redrawn", "changed")
    totals = one.totals()
    for kind, sign in (("added", "+"), ("removed", "−")):
        tags = sum(number for (which, _), number in totals.items() if which == kind)
        if tags:
            yield pill(f"{sign}{count(tags, 'tag')}", kind)


def _dropped(one: Transition, pictures: Pictures) -> Html | None:
    if not one.dropped or one.before is None:
        return None
    cards = []
    for key, why in list(one.dropped.items())[:_SHOWN_CHANGED]:
        item = one.before.items.get(key)
        shown = picture(pictures, item, side_px=LARGE_PX) if item else None
        words = el("figcaption", name(key), pill(why.rule, "removed") if why.rule else None, el("p", short(why.reason)))
        cards.append(el("figure", shown, words))
    return el("div", el("h4", "Left out, and why"), el("div", cards, class_="cards gone"), _rest(len(one.dropped)))


def _rest(number: int) -> Html | None:
    left = number - _SHOWN_CHANGED
    return el("p", f"and {left:,} more", class_="soft") if left > 0 else None


def _flagged(stage: Stage) -> Html | None:
    if not stage.flagged:
        return None
    rows = [el("li", name(key), " ", remark) for key, remark in list(stage.flagged.items())[:_SHOWN_CHANGED]]
    return el("div", el("h4", "Flagged, and kept"), el("ul", rows, class_="plain"), _rest(len(stage.flagged)))


def _redrawn(one: Transition, pictures: Pictures) -> Html | None:
    if not one.redrawn:
        return None
    cards = [
        el(
            "figure",
            el(
                "div",
                picture(pictures, was, side_px=LARGE_PX, hint="before"),
                el("span", "→", class_="arrow", aria_hidden="true"),
                picture(pictures, now, side_px=LARGE_PX, hint="after"),
                class_="pair",
            ),
            el("figcaption", name(now.key)),
        )
        for was, now in one.redrawn[:_SHOWN_CHANGED]
    ]
    return el("div", el("h4", "Redrawn"), el("div", cards, class_="cards"), _rest(len(one.redrawn)))


def _captions(one: Transition, dataset: Dataset, pictures: Pictures) -> Html | None:
    if not one.captions:
        return None
    if not any(change.kind != "kept" for each in one.captions.values() for change in each):
        return el("p", f"No caption differs from {one.before.name if one.before else 'before'}.", class_="quiet")
    rows = [_caption(one, key, dataset, pictures) for key in dataset.shown if key in one.captions]
    against = "the tags that came with the pictures" if one.stage.name == "captioned" else "the stage before"
    return el("div", el("h4", f"Captions, against {against}"), _totals(one), el("div", rows, class_="captions"))


def _totals(one: Transition) -> Html | None:
    """What changed in how many captions, most first."""
    found = sorted(one.totals().items(), key=lambda row: (-row[1], row[0]))[:_SHOWN_TOTALS]
    chips = [
        el("li", el("i", _SIGNS[kind]), tag, el("b", f"×{number}"), class_=f"chip {kind}")
        for (kind, tag), number in found
        if number > 1
    ]
    return el("ul", chips, class_="chips totals") if chips else None


def _caption(one: Transition, key: str, dataset: Dataset, pictures: Pictures) -> Html:
    found = one.captions[key]
    causes = {(fold(c.tag), c.is_removed): c.why for c in dataset.causes if c.key == key and c.stage == one.stage.name}
    why = {change: causes.get((fold(change.text), change.kind == "removed"), "") for change in found}
    chips = [_chip(change, why[change]) for change in found]
    told = _reasons(why)
    shown = picture(pictures, one.stage.items[key], side_px=LARGE_PX)
    return el("figure", shown, el("figcaption", name(key), el("ul", chips, class_="chips"), told))


def _chip(change: TagChange, why: str) -> Html:
    hint = "\n".join(filter(None, (f"before: {change.was}" if change.was else "", why)))
    sign = el("i", _SIGNS[change.kind]) if _SIGNS[change.kind] else None
    return el("li", sign, change.text, class_=f"chip {change.kind}", title=hint or None)


def _reasons(why: Mapping[TagChange, str]) -> Html | None:
    """Reason → the tags that it added or removed; where a tag's place in the scrape is known, that is no news."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for change, reason in why.items():
        if reason and change.kind in {"added", "removed"}:
            grouped.setdefault((change.kind, reason), []).append(change.text)
    rows = [
        el("li", el("b", f"{_SIGNS[kind]} {', '.join(tags)}", class_=kind), " ", reason)
        for (kind, reason), tags in grouped.items()
    ]
    return el("ul", rows, class_="reasons") if rows else None


def _folders(stage: Stage) -> dict[str, int]:
    """Folder → its pictures."""
    found: dict[str, int] = {}
    for item in stage.items.values():
        found[item.image.parent.name] = found.get(item.image.parent.name, 0) + 1
    return found


def _exported(stage: Stage) -> Html:
    rows = [
        el("li", el("code", f"{folder}/"), " ", count(number, "picture")) for folder, number in _folders(stage).items()
    ]
    texts = [more(path, code(words)) for path, words in stage.files.items() if path.endswith(".toml")]
    return el("div", el("h4", "What lies there"), el("ul", rows, class_="plain"), texts)


def _gallery(one: Transition, pictures: Pictures) -> Html | None:
    """Every picture, by concept; the ones that just went stay visible, faint."""
    gone = {key: one.before.items[key] for key in one.dropped if one.before and key in one.before.items}
    items = dict(sorted({**one.stage.items, **gone}.items())) if one.stage.items else {}
    if not items:
        return el("p", "Nothing is here yet.", class_="quiet")
    changed = {now.key for _, now in one.redrawn}
    shown = list(items.items())[:_SHOWN]
    groups: dict[str, list[Html]] = {}
    for key, item in shown:
        kind = "gone" if key in gone else "changed" if key in changed else ""
        drawn = el("span", picture(pictures, item, hint=item.caption or ""), class_=f"thumb {kind}".rstrip())
        groups.setdefault(PurePosixPath(key).parent.as_posix(), []).append(drawn)
    rows = [el("div", el("h5", concept), el("div", drawn, class_="thumbs")) for concept, drawn in groups.items()]
    left = len(items) - len(shown)
    lone = [el("p", "A caption without an image: ", el("code", path)) for path in one.stage.lone_captions]
    return join(
        el("div", rows, class_="gallery" if gone or changed or one.before is None else "gallery small"),
        el("p", f"and {left:,} more", class_="soft") if left else None,
        lone,
    )


def _concepts(stage: Stage) -> set[str]:
    return {_concept(item) for item in stage.items.values()}


def _concept(item: Item) -> str:
    return PurePosixPath(item.key).parent.as_posix()
