"""What lint found when the scrape came in, rule by rule, and what is left of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from datakit.demo.page.facts import Dataset
from datakit.demo.page.markup import Html, el
from datakit.demo.page.parts import LARGE_PX, image, name, pill, section
from datakit.demo.page.pictures import Pictures
from datakit.demo.page.stagefiles import CAPTION
from datakit.demo.page.words import count, short

_SEVERITIES: Final = ("error", "warning", "info")
_SHOWN: Final = 12


@dataclass(frozen=True)
class _Ruled:
    """A rule with what it found."""

    code: str
    name: str
    severity: str
    summary: str
    findings: list[Mapping[str, Any]] = field(default_factory=list)


def render(dataset: Dataset, pictures: Pictures, *, anchor: str, title: str) -> Html | None:
    """The part for one dataset; None where lint has not answered."""
    before, now = _by_rule(dataset.lint_before), _by_rule(dataset.lint_now)
    if dataset.lint_before is None and dataset.lint_now is None:
        return None
    left = {one.code: len(one.findings) for one in now}
    cards = [_card(one, dataset, pictures, left=left.get(one.code, 0)) for one in before]
    known = {one.code for one in before}
    news = [_card(one, dataset, pictures, left=None) for one in now if one.code not in known]
    lead = "Every rule says what it means, why it matters and what cures it: dsk rule CODE."
    return section(
        anchor,
        title,
        lead,
        el("h3", "When the scrape came in ", _counts(dataset.lint_before)),
        el("div", cards, class_="rules") if cards else el("p", "Nothing was found.", class_="quiet"),
        el("h3", "Ready to bake? ", _counts(dataset.lint_now)) if dataset.lint_now is not None else None,
        el("div", news, class_="rules") if news else None,
    )


def _by_rule(report: Mapping[str, Any] | None) -> list[_Ruled]:
    """The gravest rule first."""
    about = {row.get("code"): row.get("summary", "") for row in _rows(report, "rules")}
    found: dict[str, _Ruled] = {}
    for row in _rows(report, "findings"):
        code, severity = str(row.get("code", "")), str(row.get("severity", ""))
        made = _Ruled(code, str(row.get("name", "")), severity, str(about.get(code, "")))
        found.setdefault(code, made).findings.append(row)
    return sorted(found.values(), key=lambda one: (_grade(one.severity), one.code))


def _grade(severity: str) -> int:
    return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)


def _rows(report: Mapping[str, Any] | None, key: str) -> Sequence[Mapping[str, Any]]:
    found = report.get(key) if report else None
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _counts(report: Mapping[str, Any] | None) -> list[Html]:
    counts = report.get("counts") if report else None
    if not isinstance(counts, dict):
        return []
    told = [pill(count(counts[one], one), one) for one in ("error", "warning") if counts.get(one)]
    told += [pill(f"{counts['info']} info", "info")] if counts.get("info") else []
    return told or [pill("no finding", "added")]


def _card(one: _Ruled, dataset: Dataset, pictures: Pictures, *, left: int | None) -> Html:
    """`left`: how many are found now; None for what was not asked before."""
    head = el(
        "header",
        pill(one.severity, one.severity),
        el("b", one.name),
        el("code", one.code),
        pill("gone since", "added") if left == 0 else pill(f"{left} left", "changed") if left else None,
    )
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in one.findings[:_SHOWN]:
        groups.setdefault(str(row.get("message", "")), []).append(row)
    rows = [_finding(message, found, dataset, pictures) for message, found in groups.items()]
    hidden = len(one.findings) - _SHOWN
    hints = dict.fromkeys(str(row["hint"]) for row in one.findings if row.get("hint"))
    return el(
        "article",
        head,
        el("p", one.summary, class_="summary"),
        el("ul", rows, class_="found"),
        el("p", f"and {hidden:,} more", class_="soft") if hidden > 0 else None,
        [el("p", el("b", "cure "), short(hint), class_="cure") for hint in list(hints)[:1]],
        class_="rule",
    )


def _finding(message: str, rows: list[Mapping[str, Any]], dataset: Dataset, pictures: Pictures) -> Html:
    """A message with the file that it is of, or with all those that it is of."""
    paths = [str(row.get("path", "")) for row in rows]
    shown = [_picture(path, message, dataset, pictures) for path in paths]
    if len(paths) > 1:
        return el("li", el("div", shown, class_="several"), el("p", short(message)), class_="many")
    return el("li", shown, el("div", name(paths[0]) if paths[0] else None, el("p", short(message))))


def _picture(path: str, message: str, dataset: Dataset, pictures: Pictures) -> Html | None:
    place = _inside(dataset.root, path)
    if place is None or place.suffix == CAPTION:
        return None
    return image(pictures, place, path, side_px=LARGE_PX // 2, hint=message)


def _inside(root: Path, path: str) -> Path | None:
    """The file, where it is one of the dataset's own."""
    place = root / path
    is_own = path and place.is_file() and place.resolve().is_relative_to(root.resolve())
    return place if is_own else None
