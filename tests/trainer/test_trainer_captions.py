"""From caption to prompt: dropout, shuffling, separators."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.captions import draw
from trainer.data.dataset_toml import CaptionRule

CASES = {
    "as it is": (CaptionRule(), "a,  b , c", "a,  b , c"),
    "prefix and suffix": (
        CaptionRule(caption_prefix="masterpiece,", caption_suffix=", end"),
        "a",
        "masterpiece, a , end",
    ),
    "separator never stays": (CaptionRule(keep_tokens_separator="|||"), "sks, a ||| b, c ||| end", "sks, a, b, c, end"),
    "secondary separator": (CaptionRule(secondary_separator=";"), "a, red;blue", "a, red,blue"),
    "always dropped": (CaptionRule(caption_dropout_rate=1.0), "a, b", ""),
    "tags dropped, kept ones stay": (CaptionRule(caption_tag_dropout_rate=1.0, keep_tokens=1), "sks, a, b", "sks"),
    "dropped in every epoch": (CaptionRule(caption_dropout_every_n_epochs=1), "a", ""),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    rule, caption, expected = CASES[name]
    assert draw(caption, rule, run_seed=1, item="x", epoch=0) == expected


def test_every_second_epoch_is_dropped() -> None:
    rule = CaptionRule(caption_dropout_every_n_epochs=2)
    assert [draw("a", rule, run_seed=0, item="x", epoch=epoch) for epoch in range(4)] == ["a", "", "a", ""]


tags = st.lists(st.text("abcdef_ ", min_size=1).filter(lambda text: text.strip()), min_size=1, max_size=12)


@given(tags=tags, keep=st.integers(0, 4), seed=st.integers(0, 9), epoch=st.integers(0, 9))
def test_shuffling_keeps_the_tags_and_the_first_ones(tags: list[str], keep: int, seed: int, epoch: int) -> None:
    rule = CaptionRule(shuffle_caption=True, keep_tokens=keep)
    made = draw(", ".join(tags), rule, run_seed=seed, item="x", epoch=epoch).split(", ")
    clean = [tag.strip() for tag in tags]
    assert sorted(made) == sorted(clean)
    assert made[:keep] == clean[:keep]
    assert made == draw(", ".join(tags), rule, run_seed=seed, item="x", epoch=epoch).split(", ")


def test_draws_differ_between_items_epochs_and_seeds() -> None:
    rule = CaptionRule(shuffle_caption=True)
    caption = ", ".join("abcdefghijkl")
    made = {
        draw(caption, rule, run_seed=seed, item=item, epoch=epoch)
        for seed in range(2)
        for item in ("x", "y")
        for epoch in range(2)
    }
    assert len(made) == 8


def test_dropout_rate_is_met() -> None:
    rule = CaptionRule(caption_dropout_rate=0.25)
    dropped = sum(not draw("a", rule, run_seed=0, item=str(number), epoch=0) for number in range(4000))
    assert 900 < dropped < 1100
