"""From a caption to the text of one draw: wildcards, dropout, shuffling; seeded, pure.

Order and meaning are those of kohya-ss/sd-scripts:library/train_util.py (process_caption). The differences, each for
a reason:

- a keep_tokens_separator never stays in the text; sd-scripts leaves it there where nothing is shuffled or dropped,
  and always from the third one on;
- prefix and suffix are added to the caption that was chosen; sd-scripts adds them to the first and the last line of
  several, and loses the suffix where only the first line is used;
- empty tags, as after a comma at the end, are left out and not counted by keep_tokens where tags are taken apart;
- an empty caption_separator means a comma; sd-scripts fails.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trainer.data.subsets import CaptionRule
from trainer.data.tagdrops import TagRule, kept
from trainer.data.wildcards import chosen, has_choice
from trainer.seeds import seed_for, unit

__all__ = ["DrawKey", "TagRule", "calm", "draw", "movable_tags", "varies"]

_NO_RULE = TagRule()


@dataclass(frozen=True)
class DrawKey:
    """All that decides a draw beside the caption and its rules."""

    run_seed: int
    item: str
    epoch: int
    """Counted from 0."""
    step: int = 0
    """Optimizer steps done; only token warm-up looks at it."""
    total_steps: int = 0
    """Of the whole run; needed where token_warmup_step is a share of it, below 1."""

    def unit(self, *purpose: str | int) -> float:
        """A number in [0, 1)."""
        return unit(self.run_seed, self.item, self.epoch, *purpose)

    def place(self, *purpose: str | int) -> int:
        """A number to sort by."""
        return seed_for(self.run_seed, self.item, self.epoch, *purpose)


@dataclass(frozen=True)
class _Parts:
    """What stays in front, what may move, what stays behind."""

    fixed: list[str]
    flexible: list[str]
    suffix: list[str]


def draw(captions: Sequence[str], rule: CaptionRule, *, tags: TagRule = _NO_RULE, key: DrawKey) -> str:
    """The text of this draw; "" where the caption is dropped.

    `captions` are alternatives of one line each; without enable_wildcard only the first is used.
    """
    if _is_dropped(rule, key):
        return ""
    text = _chosen(captions, rule, key=key)
    if _takes_apart(text, rule, tags):
        parts = _parts(text, rule)
        flexible = parts.flexible[: _num_warm(len(parts.flexible), rule, key)]
        places = kept(flexible, tags, common=rule.caption_tag_dropout_rate, unit=key.unit)
        if rule.shuffle_caption:
            places.sort(key=lambda place: key.place("shuffle", place))
        text = ", ".join([*parts.fixed, *(flexible[place] for place in places), *parts.suffix])
    if rule.secondary_separator:
        text = text.replace(rule.secondary_separator, rule.caption_separator or ",")
    return text


def calm(captions: Sequence[str], rule: CaptionRule) -> str:
    """The text without anything random: the first alternative and choices, nothing moved or left out."""
    text = _framed(captions[0] if captions else "", rule)
    if rule.enable_wildcard:
        text = chosen(text, lambda number: 0.0)
    quiet = CaptionRule(
        keep_tokens=rule.keep_tokens,
        keep_tokens_separator=rule.keep_tokens_separator,
        caption_separator=rule.caption_separator,
        secondary_separator=rule.secondary_separator,
    )
    return draw((text,), quiet, key=DrawKey(0, "", 0))


def movable_tags(captions: Sequence[str], rule: CaptionRule) -> set[str]:
    """The tags of all alternatives that may move or be left out: not those that are kept in front or behind."""
    found: set[str] = set()
    for caption in captions:
        text = chosen(_framed(caption, rule), lambda number: 0.0) if rule.enable_wildcard else _framed(caption, rule)
        found.update(_parts(text, rule).flexible)
    return found


def varies(captions: Sequence[str], rule: CaptionRule, tags: TagRule = _NO_RULE) -> bool:
    """Whether two draws can differ; True in doubt."""
    every, rate = rule.caption_dropout_every_n_epochs, rule.caption_dropout_rate
    if every == 1 or rate >= 1.0:
        return False
    if every or rate > 0:
        return True
    if rule.enable_wildcard and (len(set(captions)) > 1 or any(has_choice(_framed(text, rule)) for text in captions)):
        return True
    text = _chosen(captions, rule, key=DrawKey(0, "", 0))
    return _takes_apart(text, rule, tags) and _parts_vary(_parts(text, rule).flexible, rule, tags)


def _is_dropped(rule: CaptionRule, key: DrawKey) -> bool:
    every = rule.caption_dropout_every_n_epochs
    if every and (key.epoch + 1) % every == 0:
        return True
    return key.unit("caption-dropout") < rule.caption_dropout_rate


def _framed(caption: str, rule: CaptionRule) -> str:
    text = f"{rule.caption_prefix} {caption}" if rule.caption_prefix else caption
    return f"{text} {rule.caption_suffix}" if rule.caption_suffix else text


def _chosen(captions: Sequence[str], rule: CaptionRule, *, key: DrawKey) -> str:
    if not rule.enable_wildcard:
        return _framed(captions[0] if captions else "", rule)
    number = int(key.unit("caption-choice") * len(captions)) if len(captions) > 1 else 0
    text = _framed(captions[number] if captions else "", rule)
    return chosen(text, lambda number: key.unit("wildcard", number))


def _takes_apart(text: str, rule: CaptionRule, tags: TagRule) -> bool:
    return (
        rule.shuffle_caption
        or rule.token_warmup_step > 0
        or rule.caption_tag_dropout_rate > 0
        or tags.is_active
        or bool(rule.keep_tokens_separator and rule.keep_tokens_separator in text)
    )


def _parts(text: str, rule: CaptionRule) -> _Parts:
    comma, mark = rule.caption_separator or ",", rule.keep_tokens_separator

    def tags(part: str) -> list[str]:
        return [tag.strip() for tag in part.split(comma) if tag.strip()]

    if mark and mark in text:
        first, _, rest = text.partition(mark)
        middle, _, last = rest.partition(mark)
        return _Parts(tags(first), tags(middle), tags(last.replace(mark, comma)))
    every = tags(text)
    return _Parts(every[: rule.keep_tokens], every[rule.keep_tokens :], [])


def _num_warm(num: int, rule: CaptionRule, key: DrawKey) -> int:
    """How many of `num` tags, the first ones, this step may see: from token_warmup_min, evenly up to all."""
    steps = rule.token_warmup_step
    if steps < 1:
        steps = math.floor(steps * key.total_steps)
    if not steps or key.step >= steps:
        return num
    return math.floor(key.step * ((num - rule.token_warmup_min) / steps)) + rule.token_warmup_min


def _parts_vary(flexible: Sequence[str], rule: CaptionRule, tags: TagRule) -> bool:
    rates = [tags.rate(tag, rule.caption_tag_dropout_rate) for tag in flexible]
    seen = [place for place, rate in enumerate(rates) if rate < 1]
    if any(rates[place] > 0 for place in seen):
        return True
    if rule.shuffle_caption and len({flexible[place] for place in seen}) > 1:
        return True
    if rule.token_warmup_step > 0 and any(place >= rule.token_warmup_min for place in seen):
        return True
    return bool(seen) and any(often > 0 and share < 1 for often, share in tags.levels)
