"""From caption to prompt: dropout, shuffling, separators, warm-up, rates by tag; and whether two draws can differ."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data.captions import DrawKey, TagRule, calm, draw, varies
from trainer.data.subsets import CaptionRule

KEY = DrawKey(1, "x", 0)
TEN = ", ".join("abcdefghij")
CASES = {
    "as it is": (CaptionRule(), "a,  b , c", "a,  b , c"),
    "prefix and suffix": (
        CaptionRule(caption_prefix="masterpiece,", caption_suffix=", end"),
        "a",
        "masterpiece, a , end",
    ),
    "separator never stays": (CaptionRule(keep_tokens_separator="|||"), "sks, a ||| b, c ||| end", "sks, a, b, c, end"),
    "nor a third one": (CaptionRule(keep_tokens_separator="|||"), "a ||| b ||| c ||| d", "a, b, c, d"),
    "fixed in front and behind": (
        CaptionRule(keep_tokens_separator="|||", caption_tag_dropout_rate=1.0),
        "sks, a ||| b, c ||| end",
        "sks, a, end",
    ),
    "separator counts more than keep_tokens": (
        CaptionRule(keep_tokens_separator="|||", keep_tokens=3, caption_tag_dropout_rate=1.0),
        "sks ||| a, b, c",
        "sks",
    ),
    "keep_tokens without a separator": (
        CaptionRule(keep_tokens_separator="|||", keep_tokens=2, caption_tag_dropout_rate=1.0),
        "sks, a, b, c",
        "sks, a",
    ),
    "another separator": (CaptionRule(caption_separator=".", keep_tokens=1, shuffle_caption=True), "a. b", "a, b"),
    "secondary separator": (CaptionRule(secondary_separator=";"), "a, red;blue", "a, red,blue"),
    "an empty tag is left out": (CaptionRule(keep_tokens=2, caption_tag_dropout_rate=1.0), "a,, b, c,", "a, b"),
    "always dropped": (CaptionRule(caption_dropout_rate=1.0), "a, b", ""),
    "tags dropped, kept ones stay": (CaptionRule(caption_tag_dropout_rate=1.0, keep_tokens=1), "sks, a, b", "sks"),
    "dropped in every epoch": (CaptionRule(caption_dropout_every_n_epochs=1), "a", ""),
    "wildcards are off": (CaptionRule(), "{a|b}", "{a|b}"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    rule, caption, expected = CASES[name]
    assert draw([caption], rule, key=KEY) == expected
    assert not varies([caption], rule)


def test_no_caption_at_all_is_the_prefix_alone() -> None:
    assert draw([], CaptionRule(), key=KEY) == ""
    assert draw([""], CaptionRule(caption_prefix="sks", shuffle_caption=True), key=KEY) == "sks"


def test_every_second_epoch_is_dropped() -> None:
    rule = CaptionRule(caption_dropout_every_n_epochs=2)
    assert [draw(["a"], rule, key=DrawKey(0, "x", epoch)) for epoch in range(4)] == ["a", "", "a", ""]


tag_lists = st.lists(st.text("abcdef_ ", min_size=1).filter(lambda text: text.strip()), min_size=1, max_size=12)
keys = st.builds(DrawKey, st.integers(0, 9), st.sampled_from("xyz"), st.integers(0, 9))


@given(tags=tag_lists, keep=st.integers(0, 4), key=keys)
def test_shuffling_keeps_the_tags_and_the_first_ones(tags: list[str], keep: int, key: DrawKey) -> None:
    rule = CaptionRule(shuffle_caption=True, keep_tokens=keep)
    made = draw([", ".join(tags)], rule, key=key).split(", ")
    clean = [tag.strip() for tag in tags]
    assert sorted(made) == sorted(clean)
    assert made[:keep] == clean[:keep]
    assert made == draw([", ".join(tags)], rule, key=key).split(", ")


def test_draws_differ_between_items_epochs_and_seeds() -> None:
    rule = CaptionRule(shuffle_caption=True)
    made = {
        draw([TEN], rule, key=DrawKey(seed, item, epoch, step))
        for seed in range(2)
        for item in ("x", "y")
        for epoch in range(2)
        for step in range(2)
    }
    assert len(made) == 8, "the step alone changes nothing"


def drawn(rule: CaptionRule, tags: TagRule, *, caption: str = TEN, num: int = 2000) -> list[list[str]]:
    made = (draw([caption], rule, tags=tags, key=DrawKey(0, str(number), 0)) for number in range(num))
    return [text.split(", ") if text else [] for text in made]


def test_dropout_rate_is_met() -> None:
    made = drawn(CaptionRule(caption_dropout_rate=0.25), TagRule(), num=4000)
    assert 900 < sum(not tags for tags in made) < 1100


@pytest.mark.parametrize(
    ("rates", "expected"),
    [
        ({}, {"long hair": 0.5, "Blue_Eyes": 0.5, r"miku \(vocaloid\)": 0.5}),
        ({"long_hair": 0.0, "blue eyes": 1.0}, {"long hair": 0.0, "Blue_Eyes": 1.0, r"miku \(vocaloid\)": 0.5}),
        ({"*": 0.1, "* (vocaloid)": 0.9}, {"long hair": 0.1, "Blue_Eyes": 0.1, r"miku \(vocaloid\)": 0.9}),
        ({"long hair": 0.0, "*hair": 1.0}, {"long hair": 0.0, "Blue_Eyes": 0.5, r"miku \(vocaloid\)": 0.5}),
    ],
)
def test_rates_by_name_and_pattern(rates: dict[str, float], expected: dict[str, float]) -> None:
    rule = CaptionRule(caption_tag_dropout_rate=0.5, keep_tokens=1)
    made = Counter(tag for tags in drawn(rule, TagRule(rates), caption=", ".join(["sks", *expected])) for tag in tags)
    assert made["sks"] == 2000
    for tag, rate in expected.items():
        assert made[tag] == pytest.approx(2000 * (1 - rate), abs=0 if rate in (0, 1) else 120), tag


def test_a_named_rate_needs_no_common_one() -> None:
    assert all("a" not in tags and len(tags) == 9 for tags in drawn(CaptionRule(), TagRule({"a": 1.0}), num=20))


def test_levels_keep_a_share_of_the_tags() -> None:
    made = drawn(CaptionRule(keep_tokens=1), TagRule(levels=((0.1, 0.0), (0.2, 0.5))))
    sizes = Counter(map(len, made))
    assert sizes.keys() == {1, 6, 10}, "4.5 of nine are five"
    assert sizes[1] == pytest.approx(200, abs=60)
    assert sizes[6] == pytest.approx(400, abs=80)
    assert all(tags[0] == "a" and tags == sorted(tags) for tags in made)
    kept = Counter(tag for tags in made if len(tags) == 6 for tag in tags[1:])
    assert len(kept) == 9
    assert max(kept.values()) < 1.4 * min(kept.values()), "whichever they are"


def test_common_tags_are_dropped_more_often() -> None:
    counts = {"a": 100, "b": 25, "c": 1}
    rule = CaptionRule(caption_tag_dropout_rate=0.8)
    made = Counter(
        tag
        for tags in drawn(rule, TagRule({"d": 0.5}, common_power=0.5, counts=counts), caption="a, b, c, d, e")
        for tag in tags
    )
    for tag, rate in {"a": 0.8, "b": 0.4, "c": 0.08, "d": 0.5, "e": 0.0}.items():
        assert made[tag] == pytest.approx(2000 * (1 - rate), abs=100), tag
    assert made["e"] == 2000, "a tag that was never seen is the rarest of all"


def test_counts_of_a_tag_s_spellings_are_added() -> None:
    rule = TagRule(common_power=1.0, counts={"Long_Hair": 2, "long hair": 2, "hat": 8})
    assert rule.rate("long_hair", 0.6) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("rule", "num"),
    [
        (CaptionRule(token_warmup_step=8), [1, 2, 3, 4, 5, 6, 7, 8, 10, 10]),
        (CaptionRule(token_warmup_step=8, token_warmup_min=4), [4, 4, 5, 6, 7, 7, 8, 9, 10, 10]),
        (CaptionRule(token_warmup_step=0.2), [1, 3, 5, 7, 10, 10, 10, 10, 10, 10]),
        (CaptionRule(token_warmup_step=0.01), [10] * 10),
        (CaptionRule(token_warmup_step=8, token_warmup_min=20), [10] * 10),
    ],
)
def test_warm_up_shows_more_and_more_tags(rule: CaptionRule, num: list[int]) -> None:
    for step, wanted in enumerate(num):
        made = draw([TEN], rule, key=replace(KEY, step=step, total_steps=20)).split(", ")
        assert made == list("abcdefghij")[:wanted], step


def test_the_calm_text_has_nothing_random_in_it() -> None:
    rule = CaptionRule(
        shuffle_caption=True, keep_tokens_separator="|||", caption_prefix="p,", enable_wildcard=True,
        caption_dropout_rate=0.5, caption_tag_dropout_rate=0.5, token_warmup_step=9, secondary_separator=";",
    )  # fmt: skip
    assert calm(("sks ||| {red|blue}, b;c", "other"), rule) == "p, sks, red, b,c"
    assert calm((), CaptionRule()) == ""


rules = st.builds(
    CaptionRule,
    shuffle_caption=st.booleans(),
    keep_tokens=st.integers(0, 4),
    keep_tokens_separator=st.sampled_from(["", "|||"]),
    caption_dropout_rate=st.sampled_from([0.0, 0.0, 0.0, 0.4, 1.0]),
    caption_dropout_every_n_epochs=st.sampled_from([0, 0, 0, 1, 2]),
    caption_tag_dropout_rate=st.sampled_from([0.0, 0.0, 0.4, 1.0]),
    enable_wildcard=st.booleans(),
    token_warmup_min=st.integers(0, 3),
    token_warmup_step=st.sampled_from([0, 0, 5, 0.5]),
)
tag_rules: st.SearchStrategy[Any] = st.builds(
    TagRule,
    rates=st.dictionaries(st.sampled_from(["a", "b*", "*"]), st.sampled_from([0.0, 0.4, 1.0]), max_size=2),
    levels=st.sampled_from([(), (), ((0.4, 0.0),), ((0.3, 1.0),)]),
    common_power=st.sampled_from([0.0, 1.0]),
    counts=st.just({"a": 10, "b c": 5}),
)
caption_lists = st.lists(
    st.sampled_from(["a, b c, d", "a", "", "a, a", "{a|b}, c", "{a|a}, d ||| b, c", "d ||| {b} ||| {{a|b}}"]),
    min_size=1,
    max_size=2,
)


@settings(max_examples=400, deadline=None)
@given(captions=caption_lists, rule=rules, tags=tag_rules)
def test_varies_tells_whether_two_draws_differ(captions: list[str], rule: CaptionRule, tags: TagRule) -> None:
    made = {
        draw(captions, rule, tags=tags, key=DrawKey(0, f"x{number}", number, step=number % 8, total_steps=10))
        for number in range(60)
    }
    if len(made) > 1:
        assert varies(captions, rule, tags)
    elif varies(captions, rule, tags) and not rule.enable_wildcard:
        assert made == {""}, "said in doubt only of choices, and where something is left out of nothing"
