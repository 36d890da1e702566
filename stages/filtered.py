"""The images worth working on: garbage is left out, each time with rule, reason and evidence.

What garbage is, rules say: one file each in `stages/filters`, one section `[filtered.<rule>]` each in dsk.toml. A rule
is off, flags or drops. Those that look at one image alone come first, then those that compare what is left; the first
that drops an image is the one that is told. A flagged image goes on, and `dsk status` and `dsk why` tell it.

A dropped image is still in `raw`, and `filtered/stage.json` tells its reason. Copied back by hand into `filtered`, it
stays there.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from datakit.images import looks as image_looks
from datakit.model.stage import Drop, Flag, Keep, Look, Outcome, Product, Scope, Stage, Subject
from stages.filters.model import FILTERS, Filter, Verdict
from stages.wording import dropped_parts, in_brackets, kept

_REACH: Final[tuple[Scope, ...]] = ("item", "content", "all")


@cache
def rules() -> tuple[Filter, ...]:
    """Every rule, in the order in which they are asked."""
    return tuple(sorted(FILTERS.all(), key=lambda rule: (rule.compare is not None, rule.rank, rule.name)))


def settings_type() -> type[msgspec.Struct]:
    """Section `[filtered]` of dsk.toml: a table for each rule."""
    fields = [
        (rule.name.replace("-", "_"), rule.settings, msgspec.field(default_factory=rule.settings, name=rule.name))
        for rule in sorted(rules(), key=lambda rule: rule.name)
    ]
    return msgspec.defstruct("Settings", fields, module=__name__, frozen=True, kw_only=True)


def settings_of(rule: Filter, settings: Any) -> Any:
    """What `[filtered.<rule>]` says."""
    return getattr(settings, rule.name.replace("-", "_"))


def active(settings: Any) -> list[Filter]:
    """The rules that are not off, in the order in which they are asked."""
    return [rule for rule in rules() if settings_of(rule, settings).action != "off"]


def scope(settings: Any) -> Scope:
    """That of the rule that reaches farthest."""
    return max((rule.scope for rule in active(settings)), key=_REACH.index, default="item")


def looks(subject: Subject, settings: Any) -> list[Look]:
    """What the rules that are on want to know, each once."""
    return image_looks.asked_once(look for rule in active(settings) for look in rule.looks)


@cache
def _answers() -> Mapping[str, image_looks.Answer]:
    return {name: function for rule in rules() for name, function in rule.answers.items()}


def inspect(data: bytes, asked: Sequence[Look]) -> list[Product]:
    """The looks' facts, with one decoding."""
    return image_looks.answer(data, asked, _answers())


def decide(subjects: Sequence[Subject], settings: Any) -> list[Outcome]:
    """Keep or drop each item."""
    drops: dict[str, Drop] = {}
    flags: dict[str, list[Flag]] = {}
    for rule in active(settings):
        own = settings_of(rule, settings)
        left = [one for one in subjects if one.key not in drops and _can_be_judged(rule, one)]
        for key, verdict in _verdicts(rule, left, own):
            if own.action == "drop":
                drops[key] = Drop(key=key, rule=rule.name, reason=verdict.reason, evidence=verdict.evidence)
            else:
                flag = Flag(rule=rule.name, reason=verdict.reason, evidence=verdict.evidence)
                flags.setdefault(key, []).append(flag)
    return [
        drops.get(one.key)
        or Keep(key=one.key, image=one.image, caption=one.caption, flags=tuple(flags.get(one.key, ())))
        for one in subjects
    ]


def summarise(subjects: Sequence[Subject], outcomes: Sequence[Outcome]) -> str:
    """`22 of 24 kept (1 exact duplicate, 1 unreadable; 3 flagged)`."""
    going_on = kept(outcomes)
    flagged = sum(bool(one.flags) for one in going_on)
    parts = [", ".join(dropped_parts(outcomes, {rule.name: rule.words for rule in rules()}))]
    parts.append(f"{flagged} flagged" if flagged else "")
    told = "; ".join(part for part in parts if part)
    return f"{len(going_on)} of {len(outcomes)} kept" + in_brackets([told] if told else [])


def _can_be_judged(rule: Filter, subject: Subject) -> bool:
    if rule.judges_unreadable:
        return True
    return not any(subject.facts[look.name].get("unreadable") for look in rule.looks)


def _verdicts(rule: Filter, subjects: Sequence[Subject], settings: Any) -> Iterator[tuple[str, Verdict]]:
    if rule.compare is not None:
        yield from rule.compare(subjects, settings).items()
    elif rule.judge is not None:
        for subject in subjects:
            verdict = rule.judge(subject, settings)
            if verdict is not None:
                yield subject.key, verdict


STAGE = Stage(
    name="filtered",
    version=2,
    settings=settings_type(),
    decide=decide,
    scope=scope,
    looks=looks,
    inspect=inspect,
    summarise=summarise,
)
