"""Which rules run: by code, name, group or the beginning of a code; the closer word wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, get_args

from datakit.errors import UsageError
from datakit.lint.model import LETTERS, Group, Rule
from datakit.lint.severities import Level
from datakit.registry import nearest

ALL: Final = "all"
_EXACT: Final = 9
"""How closely a code or a name names a rule; a group does by 1, the beginning of a code by its length."""


def select(
    rules: Iterable[Rule], selected: Sequence[str], ignored: Sequence[str] = (), *, preview: bool = False
) -> list[Rule]:
    """The rules that run. One that is a preview does so only with `preview`, or selected by its code or name.

    Raises:
        UsageError: a word that names no rule; the nearest is named.
    """
    known = list(rules)
    check_words([*selected, *ignored], known)
    return [rule for rule in known if _runs(rule, selected, ignored, preview=preview)]


def check_words(words: Iterable[str], rules: Sequence[Rule], *, where: str = "") -> None:
    """Refuse a word that names no rule.

    Raises:
        UsageError: names it and the nearest; `where` says where it stands.
    """
    for word in words:
        if not any(closeness(rule, word) is not None for rule in rules):
            like = nearest(word, [ALL, *get_args(Group), *(rule.name for rule in rules)])
            hint = f"did you mean '{like}'?" if like else "dsk rule lists them all"
            raise UsageError(f"{where}{': ' if where else ''}no lint rule or group '{word}'", hint=hint)


def closeness(rule: Rule, word: str) -> int | None:
    """How closely a word names a rule; None when it does not."""
    if word in (rule.code, rule.name) or word.upper() == rule.code:
        return _EXACT
    if word == ALL:
        return 0
    if word == rule.group:
        return 1
    is_prefix = word[:1].upper() in LETTERS.values() and rule.code.startswith(word.upper())
    return len(word) if is_prefix else None


def levels_of(rules: Iterable[Rule], chosen: Mapping[str, Level]) -> dict[str, Level]:
    """Rule's name → the severity that was chosen for it; of two words that name a rule, the closer one counts."""
    found: dict[str, Level] = {}
    for rule in rules:
        named = [(close, word) for word in chosen if (close := closeness(rule, word)) is not None]
        if named:
            found[rule.name] = chosen[max(named)[1]]
    return found


def _runs(rule: Rule, selected: Sequence[str], ignored: Sequence[str], *, preview: bool) -> bool:
    wanted = max((close for word in selected if (close := closeness(rule, word)) is not None), default=-1)
    refused = max((close for word in ignored if (close := closeness(rule, word)) is not None), default=-1)
    if rule.preview and not preview and wanted < _EXACT:
        return False
    return wanted > refused
