"""Choices in captions, against the reading of sd-scripts written down here once more."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.data.captions import DrawKey, draw
from trainer.data.subsets import CaptionRule
from trainer.data.wildcards import chosen, has_choice

WILD = CaptionRule(enable_wildcard=True)
CASES = {
    "a {red|blue} hat": {"a red hat", "a blue hat"},
    "{a|b}{c|d}": {"ac", "ad", "bc", "bd"},
    "{a|}": {"a", ""},
    "{a}": {"a"},
    "{{a|b}}": {"{a|b}"},
    "{{{a|b}}}": {"{a", "{b}"},
    "{}": {"{}"},
    "{a|b": {"{a|b"},
    "a|b}": {"a|b}"},
    "{a{b|c}": {"a{b", "c"},
    "{a}}|b}": {"a}", "b"},
    "}} {{": {"} {"},
    "{ |x}": {" ", "x"},
}


@pytest.mark.parametrize("text", CASES)
def test_case(text: str) -> None:
    made = {draw([text], WILD, key=DrawKey(0, str(number), 0)) for number in range(60)}
    assert made == CASES[text]
    assert has_choice(text) == (len(made) > 1)


def reference(text: str, pick: int) -> str:
    text = text.replace("{{", "\x00").replace("}}", "\x01")

    def replace(match: re.Match[str]) -> str:
        options = match[1].split("|")
        return options[pick % len(options)]

    return re.sub(r"\{([^}]+)\}", replace, text).replace("\x00", "{").replace("\x01", "}")


@given(text=st.text("{}{}|ab, \n", max_size=30))
def test_first_and_last_option_are_those_of_sd_scripts(text: str) -> None:
    assert chosen(text, lambda number: 0.0) == reference(text, 0)
    assert chosen(text, lambda number: 0.999999) == reference(text, -1)


def test_options_come_equally_often_and_each_choice_by_itself() -> None:
    made = Counter(draw(["{a|b|c} {d|e}"], WILD, key=DrawKey(0, str(number), 1)) for number in range(3000))
    assert len(made) == 6
    assert all(400 < count < 600 for count in made.values())


def test_alternatives_come_equally_often_with_prefix_and_suffix() -> None:
    rule = CaptionRule(enable_wildcard=True, caption_prefix="sks,", caption_suffix="end")
    made = Counter(draw(["a", "b", "c"], rule, key=DrawKey(0, "x", epoch)) for epoch in range(3000))
    assert made.keys() == {"sks, a end", "sks, b end", "sks, c end"}
    assert all(900 < count < 1100 for count in made.values())


def test_without_enable_wildcard_the_first_alternative_is_used() -> None:
    assert {draw(["{a|b}", "c"], CaptionRule(), key=DrawKey(0, "x", epoch)) for epoch in range(20)} == {"{a|b}"}


def test_a_choice_may_hold_what_separates_tags() -> None:
    rule = CaptionRule(enable_wildcard=True, keep_tokens_separator="|||", shuffle_caption=True)
    made = {draw(["sks ||| {a, b|c}"], rule, key=DrawKey(0, "x", epoch)) for epoch in range(60)}
    assert made == {"sks, a, b", "sks, b, a", "sks, c"}


def test_braces_without_end_take_no_time() -> None:
    started = time.perf_counter()
    chosen("{a" * 100_000, lambda number: 0.0)
    assert time.perf_counter() - started < 2
