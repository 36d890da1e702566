"""One page with thumbnails, grouped by item, filtered by rule, severity and text; it needs no network and no script."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from importlib import resources
from typing import Final

import msgspec

from datakit.lint.engine import Report
from datakit.lint.formats.model import Format, Named, View, named_rules, printable, worst
from datakit.lint.model import Finding
from datakit.lint.severities import SEVERITIES, Severity
from datakit.lint.words import counted
from datakit.model.item import concept_of, stem_of

MOST_ITEMS: Final = 5000
"""Items that a page shows: a browser draws so many, and the page stays under 100 MB."""
_WORDS: Final[dict[Severity, tuple[str, str]]] = {
    "error": ("error", "errors"),
    "warning": ("warning", "warnings"),
    "info": ("info", "info"),
}
_DIRECTIONS: Final = (*range(0x202A, 0x202F), *range(0x2066, 0x206A))
"""Characters that turn what stands behind them around: `evil.txt` as `txt.live`."""
_CONTROLS: Final = {
    number: "\ufffd" for number in (*range(32), *range(127, 160), *_DIRECTIONS) if chr(number) not in "\n\t"
}


class _Card(msgspec.Struct, frozen=True):
    """What was found at one item, in all stages."""

    item: str
    """'' for what concerns a stage as a whole."""
    findings: list[Finding]

    @property
    def severity(self) -> Severity:
        return worst(finding.severity for finding in self.findings)


def render(report: Report, view: View) -> str:
    """The page."""
    return printable("".join(_page(report, view)))


def _page(report: Report, view: View) -> Iterator[str]:
    cards, rules = _cards(report.findings), named_rules(report)
    found = Counter(finding.code for finding in report.findings)
    yield from _head(view, [rule.code for rule in rules if found[rule.code]])
    yield from _top(report, view)
    if cards:
        yield f'<div class="columns"><aside class="side">{_filters(report, rules, found)}</aside>\n<main>\n'
        yield '<p class="shown" id="shown" aria-live="polite"></p>\n'
        if len(cards) > MOST_ITEMS:
            yield f'<p class="notice">This page shows the first {MOST_ITEMS:,} of {len(cards):,} items, those with '
            yield "errors before all others. --where chooses items; --format json has all.</p>\n"
        for card in cards[:MOST_ITEMS]:
            yield from _card(card, view)
        yield "</main></div>\n"
    else:
        yield '<p class="clean">Nothing found. Into the oven with it.</p>\n'
    yield from _allowed(report)
    yield from _pages([rule for rule in rules if found[rule.code]], view)
    yield f"<footer>dsk {_text(view.version)} · dsk rule CODE explains a rule · dsk allow RULE ITEM --reason WHY lets "
    yield f"a finding stand</footer>\n</div>\n<script>\n{_asset('html.js')}</script>\n</body>\n</html>\n"


def _head(view: View, codes: Iterable[str]) -> Iterator[str]:
    digest = base64.b64encode(hashlib.sha256(f"\n{_asset('html.js')}".encode()).digest()).decode()
    policy = f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{escape(policy)}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>Lint: {_text(view.root)}</title>\n<style>\n{_asset('html.css')}"
    for name in (*(f"s-{severity}" for severity in SEVERITIES), *(f"r-{code}" for code in codes)):
        chosen = f"body:has(#{name}:checked)"
        yield f"{chosen} .f:not(.{name}), {chosen} .card:not(.{name}) {{ display: none; }}\n"
    yield "</style>\n</head>\n<body>\n"


def _top(report: Report, view: View) -> Iterator[str]:
    counts = report.counts()
    boxes: list[tuple[str, int, str]] = [
        (severity, counts[severity], _word(severity, counts[severity])) for severity in SEVERITIES
    ]
    by_safety = Counter(finding.fix_safety for finding in report.findings)
    boxes.append(("fix", by_safety["safe"], "cured by --fix"))
    if by_safety["unsafe"]:
        boxes.append(("fix", by_safety["unsafe"], "by --unsafe-fixes"))
    if report.allowed:
        boxes.append(("", len(report.allowed), "allowed"))
    rows = "".join(
        f'<li class="{kind if number else "none"}"><b>{number:,}</b><span>{word}</span></li>'
        for kind, number, word in boxes
    )
    looked = f"{counted(report.num_images, 'image')} and {counted(report.num_captions, 'caption')}"
    yield f'<div class="wrap"><header class="top"><p class="over">Lint report</p><h1><bdi>{_text(view.root)}</bdi></h1>'
    yield f'<ul class="counts">{rows}</ul>'
    yield f'<p class="looked">{looked} looked at by {counted(len(report.rules), "rule")}</p></header>\n'


def _filters(report: Report, rules: Sequence[Named], found: Counter[str]) -> str:
    by_severity = Counter(finding.severity for finding in report.findings)
    total = len(report.findings)
    levels = "".join(
        _radio("s", severity, f"{_word(severity, 2)} <b>{by_severity[severity]:,}</b>")
        for severity in SEVERITIES
        if by_severity[severity]
    )
    ranked = sorted(
        (rule for rule in rules if found[rule.code]),
        key=lambda rule: (SEVERITIES.index(rule.severity), -found[rule.code], rule.code),
    )
    rows = "".join(_radio("r", rule.code, _rule_label(rule, found[rule.code])) for rule in ranked)
    every = f'<span class="dot"></span><span class="name">all rules</span><b>{total:,}</b>'
    return (
        '<input id="search" type="search" placeholder="Search files and messages" aria-label="Search">'
        '<fieldset><legend>Severity</legend><div class="pills">'
        f"{_radio('s', '', f'all <b>{total:,}</b>')}{levels}</div></fieldset>"
        f'<fieldset class="rules"><legend>Rule</legend><div>{_radio("r", "", every)}{rows}</div></fieldset>'
    )


def _radio(group: str, value: str, label: str) -> str:
    chosen = "" if value else " checked"
    name = f"{group}-{_text(value) or 'all'}"
    return f'<label><input type="radio" name="{group}" value="{_text(value)}" id="{name}"{chosen}>{label}</label>'


def _rule_label(rule: Named, number: int) -> str:
    name = f'<span class="name"><span class="soft">{rule.code}</span> {_text(rule.name)}</span>'
    return f'<span class="dot {rule.severity}"></span>{name}<b>{number:,}</b>'


def _cards(findings: Sequence[Finding]) -> list[_Card]:
    """By item; what concerns everything first, then items with the worst findings, else in their order."""
    by_item: dict[str, _Card] = {}
    for finding in findings:
        key = finding.item
        by_item.setdefault(key, _Card(key, [])).findings.append(finding)
    return sorted(by_item.values(), key=lambda card: (card.item != "", SEVERITIES.index(card.severity)))


def _card(card: _Card, view: View) -> Iterator[str]:
    by_path: dict[str, list[Finding]] = {}
    for finding in card.findings:
        by_path.setdefault(finding.shown_path, []).append(finding)
    picture = _picture(card.item, by_path, view) if card.item else ""
    kinds = {f"s-{finding.severity}" for finding in card.findings} | {f"r-{finding.code}" for finding in card.findings}
    concept = f"<span>{_text(concept_of(card.item))}/</span>" if concept_of(card.item) else ""
    title = f"{concept}{_text(stem_of(card.item))}" if card.item else "As a whole"
    classes = " ".join(["card", *(["bare"] if not picture else []), *sorted(kinds)])
    yield f'<article class="{classes}" data-t="{_text(" ".join(by_path))}">{picture}<div class="said">'
    yield f"<h2><bdi>{title}</bdi></h2>\n"
    for path, findings in by_path.items():
        yield f'<p class="file"><bdi>{_text(path)}</bdi></p>' if path else ""
        yield from map(_row, sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))
    yield "</div></article>\n"


def _picture(item: str, paths: Iterable[str], view: View) -> str:
    """The item's picture, as the first of its files that has one shows it."""
    data = next((found for path in paths if (found := view.thumbnail(path))), None)
    if data is None:
        return ""
    kind = "webp" if data[8:12] == b"WEBP" else "jpeg"
    url = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return f'<div class="thumb"><img src="{url}" alt="{_text(item)}" loading="lazy" decoding="async"></div>'


def _row(finding: Finding) -> str:
    level, code = finding.severity, _text(finding.code)
    cure = f'<p class="cure"><i>→</i>{_text(finding.hint)}</p>' if finding.hint else ""
    return (
        f'<div class="f s-{level} r-{code}" data-s="{level}" data-c="{code}">'
        f'<span class="badge {level}">{_word(level, 1)}</span><div>'
        f"<p>{_text(finding.message)}</p>{cure}{_rule_link(finding)}</div></div>\n"
    )


def _rule_link(finding: Finding) -> str:
    tags = {
        "none": "",
        "safe": '<span class="tag">--fix</span>',
        "unsafe": '<span class="tag unsafe">--unsafe-fixes</span>',
    }
    code, name = _text(finding.code), _text(finding.name)
    return f'<p class="rule"><a href="#rule-{code}">{code} {name}</a>{tags[finding.fix_safety]}</p>'


def _allowed(report: Report) -> Iterator[str]:
    if not report.allowed:
        return
    yield f'<section class="more"><h2>Allowed <small>{counted(len(report.allowed), "finding")}</small></h2>'
    yield "<details><summary>Right as they are, and why</summary><ul class=allowed>"
    for one in report.allowed:
        finding = one.finding
        yield f'<li><bdi class="soft">{_text(finding.shown_path)}</bdi> {_text(finding.code)} {_text(finding.name)}: '
        yield f"{_text(finding.message)}<br><b>{_text(one.reason)}</b></li>\n"
    yield "</ul></details></section>\n"


def _pages(rules: Sequence[Named], view: View) -> Iterator[str]:
    """What each rule that found something looks for, and why."""
    pages = [(rule, page) for rule in rules if (page := view.docs(rule.name))]
    if not pages:
        return
    from markdown_it import MarkdownIt  # rich brings it; no other command needs it

    write = MarkdownIt("commonmark", {"html": False}).enable("table").render
    yield '<section class="more"><h2>The rules <small>what they look for, and why</small></h2>\n'
    for rule, page in pages:
        code = _text(rule.code)
        yield f'<details><summary><span class="dot {rule.severity}"></span><code>{code}</code> '
        yield f"{_text(rule.name)}</summary>"
        yield f'<div class="page" id="rule-{code}">'
        yield f"{write(page)}</div></details>\n"
    yield "</section>\n"


def _word(severity: Severity, number: int) -> str:
    return _WORDS[severity][number != 1]


def _asset(name: str) -> str:
    return resources.files("datakit.lint.formats").joinpath(name).read_text("utf-8")


def _text(text: str) -> str:
    """Text that cannot become markup, in an attribute neither; control characters cannot be seen, so they show."""
    return escape(text.translate(_CONTROLS), quote=True)


FORMAT: Final = Format(name="html", title="HTML page", extension="html", render=render)
