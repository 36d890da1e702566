from __future__ import annotations

import pytest
from danbooru_names import SOME_NAMES, every_name
from hypothesis import example, given
from hypothesis import strategies as st

from datakit.tags.names import KAOMOJI, to_canonical, to_prompt


def test_every_danbooru_name_survives_the_way_to_the_prompt_and_back() -> None:
    names = every_name()
    assert len(names) > 100_000
    assert [name for name in names if to_canonical(to_prompt(name)) != name] == []


def test_every_danbooru_name_is_canonical_already() -> None:
    assert [name for name in every_name() if to_canonical(name) != name] == []


def test_prompts_of_danbooru_names_have_underscores_in_emoticons_only() -> None:
    assert {name for name in every_name() if "_" in to_prompt(name)} == KAOMOJI & set(every_name())


def test_the_vocabulary_stays_apart_in_prompts() -> None:
    names = every_name()
    assert len({to_prompt(name) for name in names}) == len(names)


@given(SOME_NAMES)
def test_round_trip(name: str) -> None:
    assert to_canonical(to_prompt(name)) == name


@given(st.text(max_size=40))
@example("&amp;gt;")
@example("&#65;&AMP;lt;")
@example(r"\\\(^o^\)/")
@example("İ_&#44;_")
def test_canonical_names_stay_and_hold_no_separator(text: str) -> None:
    name = to_canonical(text)
    assert to_canonical(name) == name
    assert not set(name) & set(", \t\r\n\ufeff")
    assert "__" not in name
    assert name == name.strip("_")


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("long hair", "long_hair"),
        ("  Long   Hair ", "long_hair"),
        ("long_hair", "long_hair"),
        ("^ ^", "^_^"),
        ("T_T", "t_t"),
        ("&gt;_&lt;", ">_<"),
        ("&amp;gt;_&lt;", ">_<"),
        ("don&#039;t", "don't"),
        ("&quot;x&quot;", '"x"'),
        (r"kaname \(art\)", "kaname_(art)"),
        (r"a \(b\) \(c\)", "a_(b)_(c)"),
        (r";\)", ";)"),
        (r"\(^o^)/", r"\(^o^)/"),
        (r"\\\(^o^\)/", r"\(^o^)/"),
        (r"00 qan\[t\]", "00_qan[t]"),
        (r"a \(b\) [c]", "a_(b)_[c]"),
        (r"a \(b\) \[c\]", "a_(b)_[c]"),
        (r"a (b) \[c\]", "a_(b)_[c]"),
        (r"\m/", r"\m/"),
        (r"\\//", r"\\//"),
        ("steins;gate", "steins;gate"),
        ("s&w m&p", "s&w_m&p"),
        ("under night in-birth exe:late[st]", "under_night_in-birth_exe:late[st]"),
        ("\ufeff1girl", "1girl"),
        ("a,b", "a_b"),
        (" _ ", ""),
        ("", ""),
    ],
)
def test_spellings(text: str, name: str) -> None:
    assert to_canonical(text) == name


@pytest.mark.parametrize(
    ("name", "prompt"),
    [
        ("long_hair", "long hair"),
        ("(o)_(o)", "(o)_(o)"),
        ("<|>_<|>", "<|>_<|>"),
        ("o_x", "o_x"),
        ("m_k", "m k"),
        ("ak_5", "ak 5"),
        ("e_2", "e 2"),
        ("kaname_(art)", "kaname (art)"),
        ("?_block", "? block"),
    ],
)
def test_prompt_spelling_follows_the_list_and_no_length(name: str, prompt: str) -> None:
    assert to_prompt(name) == prompt


def test_the_kaomoji_list_is_complete() -> None:
    assert len(KAOMOJI) == 21
