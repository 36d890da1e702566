"""From the tags of an image to the prompt that it is trained with."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from datakit.tags.captions import SEPARATOR, format_prompt
from datakit.tags.names import to_canonical


def to_training_prompt(
    tags: Iterable[str],
    *,
    trigger: str = "",
    blacklist: Collection[str] = (),
    keep_underscores: bool = False,
) -> str:
    """The prompt of an image: the trigger as it was typed, then its tags in their order, each once.

    Nothing is escaped: trainers read captions literally. A tag that the trigger already says is not repeated.

    Args:
        tags: canonical names.
        trigger: one or more comma-separated words; never blacklisted, never respelled.
        blacklist: canonical names that are left out; whole names only.
        keep_underscores: write `long_hair` rather than `long hair`.
    """
    words = dict.fromkeys(word for part in trigger.split(",") if (word := part.strip()))
    left_out = {*blacklist, *map(to_canonical, words)}
    kept = dict.fromkeys(tag for tag in tags if tag not in left_out)
    prompt = format_prompt(kept, keep_underscores=keep_underscores)
    return SEPARATOR.join([*words, prompt] if prompt else words)
