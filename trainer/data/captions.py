"""From a caption to the text of one draw: prefix, dropout, shuffle; seeded, pure.

Order and meaning are those of kohya-ss/sd-scripts:library/train_util.py (process_caption), except that a
keep_tokens_separator never stays in the text: sd-scripts leaves it there when nothing is shuffled.
"""

from __future__ import annotations

from collections.abc import Sequence

from trainer.data.dataset_toml import CaptionRule
from trainer.seeds import seed_for, unit


def draw(caption: str, rule: CaptionRule, *, run_seed: int, item: str, epoch: int) -> str:
    """The text of `item` in this epoch (counted from 0)."""
    text = " ".join(part for part in (rule.caption_prefix, caption, rule.caption_suffix) if part)
    every = rule.caption_dropout_every_n_epochs
    if every and (epoch + 1) % every == 0:
        return ""
    if unit(run_seed, item, epoch, "caption-dropout") < rule.caption_dropout_rate:
        return ""
    separator = rule.keep_tokens_separator
    fixed, flexible, suffix = _parts(text, rule)
    if rule.shuffle_caption:
        flexible = _shuffled(flexible, run_seed, item=item, epoch=epoch)
    if rule.caption_tag_dropout_rate > 0:
        flexible = [
            tag
            for number, tag in enumerate(flexible)
            if unit(run_seed, item, epoch, "tag-dropout", number, tag) >= rule.caption_tag_dropout_rate
        ]
    if rule.shuffle_caption or rule.caption_tag_dropout_rate > 0 or (separator and separator in text):
        text = ", ".join([*fixed, *flexible, *suffix])
    if rule.secondary_separator:
        text = text.replace(rule.secondary_separator, rule.caption_separator)
    return text


def _parts(text: str, rule: CaptionRule) -> tuple[list[str], list[str], list[str]]:
    """What stays in front, what may move, what stays behind."""

    def tags(part: str) -> list[str]:
        return [tag.strip() for tag in part.split(rule.caption_separator or ",") if tag.strip()]

    if rule.keep_tokens_separator and rule.keep_tokens_separator in text:
        first, _, rest = text.partition(rule.keep_tokens_separator)
        middle, _, last = rest.partition(rule.keep_tokens_separator)
        return tags(first), tags(middle), tags(last)
    every = tags(text)
    return every[: rule.keep_tokens], every[rule.keep_tokens :], []


def _shuffled(tags: Sequence[str], run_seed: int, *, item: str, epoch: int) -> list[str]:
    numbered = list(enumerate(tags))
    numbered.sort(key=lambda pair: seed_for(run_seed, item, epoch, "shuffle", pair[0]))
    return [tag for _, tag in numbered]
