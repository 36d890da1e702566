"""Captions lose the marks of prompts, and no tag loses a letter."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from danbooru_names import SOME_NAMES, every_name
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datakit.tags.captions import parse_tags
from datakit.tags.emphasis import has_emphasis, strip_emphasis
from datakit.tags.names import KAOMOJI, to_prompt

MARKED = [
    ("(a:1.2)", "a"),
    ("((a))", "a"),
    ("{{a, b}}, c", "a, b, c"),
    ("[a], b", "a, b"),
    ("(a, b:1.2), c", "a, b, c"),
    ("1.2::a, b::, c", "a, b, c"),
    ("1.2::a, 1.3::b::", "a, b"),
    ("a, 1.2::b", "a, b"),
    ("-1::monochrome::, y", "monochrome, y"),
    ("a BREAK b", "a, b"),
    ("a, BREAK, b, BREAK", "a, b"),
    ("BREAK", ""),
    ("a, BREAK BREAK b", "a, b"),
    ("hat BREAK 1GIRL", "hat, 1GIRL"),
    ("[sun:moon:0.5], b", "sun, moon, b"),
    ("[a|b], c", "a, b, c"),
    ("<lora:x:1>, a", "a"),
    ("a <lora:x:0.8> b", "a b"),
    ("a, <lora:x:0.8>, b", "a, b"),
    ("a, <lora:x:1>", "a"),
    ("(vertin (reverse:1999):1.2)", "vertin (reverse:1999)"),
    ("(reverse:1999)", "reverse:1999"),
    ("((a:1.2), [b]), c", "a, b, c"),
    ("(a)(b), c", "a b, c"),
    ("a girl with (blue hair:1.3) standing", "a girl with blue hair standing"),
    (r"(kaname \(art\):1.2)", r"kaname \(art\)"),
    ("(:d:1.2), >:(, ;)", ":d, >:(, ;)"),
    ("({{a}}:1.1)", "a"),
    ("\ufeff(a:1.2)\n[b]\n", "\ufeffa\nb\n"),
    ("( a :1.2 ), b", "a, b"),
    ("[a], <lora:x:1>, (b:1.2)", "a, b"),
    ("(a) BREAK (b)", "a, b"),
    ("\ufeff<lora:x:1>, a", "\ufeffa"),
]

PIECES = st.one_of(
    SOME_NAMES, st.sampled_from([marked for marked, _ in MARKED]), st.text("ab1.:,()[]{} \n", max_size=9)
)


@pytest.mark.parametrize(("text", "stripped"), MARKED)
def test_marks_go_and_words_stay(text: str, stripped: str) -> None:
    assert strip_emphasis(text) == stripped
    assert has_emphasis(text)
    assert not has_emphasis(stripped)


@pytest.mark.parametrize(
    "text",
    [
        *("hatsune miku (cosplay)", ":d", ">:(", ";)", "(o)_(o)", r"\(^o^)/", "[+_+]", "00 qan[t]", "re:zero", "1.5::"),
        *("under night in-birth exe:late[st]", "1.5::, 1girl", "a (small) hat", "{a|b}", "(a:1.2", "a:1.2)", "x_(9)"),
        *('says "BREAK", hi', "A COFFEE BREAK", "BREAK TIME, cup", "at 3::4, clock", "version 1.2::c"),
        *("(9)", "break, and", ":(, (, )", r"kaname \(art\)", "std::string, a::b", ""),
        ", ".join(sorted(KAOMOJI)),
    ],
)
def test_what_is_no_mark_stays(text: str) -> None:
    assert strip_emphasis(text) == text
    assert has_emphasis(text) == []


def test_every_danbooru_name_alone_is_no_mark() -> None:
    names = every_name()
    assert [name for name in names if strip_emphasis(name) != name] == []
    assert [name for name in names if strip_emphasis(to_prompt(name)) != to_prompt(name)] == []


def test_no_caption_of_danbooru_names_is_touched() -> None:
    names = list(every_name())
    random.Random(4).shuffle(names)
    bracketed = [name for name in names if set(name) & set("()[]{}<>:;|\\")]
    for pool in (names, bracketed):
        for start in range(0, len(pool), 40):
            for caption in (", ".join(pool[start : start + 40]), ", ".join(map(to_prompt, pool[start : start + 40]))):
                assert strip_emphasis(caption) == caption
                assert has_emphasis(caption) == []


@given(st.lists(PIECES, max_size=8).map(", ".join))
@example("(a, b BREAK c:1.2)")
@example("((((a)))), [[[b]]]")
def test_stripping_is_done_at_once_and_invents_nothing(text: str) -> None:
    stripped = strip_emphasis(text)
    assert strip_emphasis(stripped) == stripped
    assert (stripped == text) == (not has_emphasis(text))
    assert len(stripped) <= len(text)
    assert Counter(filter(str.isalpha, stripped)) <= Counter(filter(str.isalpha, text))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["hat", "long hair", "kaname (art)", "1girl"]),
            st.sampled_from(["{}", "({}:1.2)", "(({}))", "{{{{{}}}}}", "1.2::{}::"]),
            st.sampled_from([", ", ", ", "\n", " BREAK ", ", BREAK\n", ", <lora:x:1>, ", " <lora:x:1>, "]),
        ),
        max_size=6,
    )
)
@example([("hat", "[{}]", ", <lora:x:1>, "), ("1girl", "({}:1.2)", "")])
def test_what_was_parted_stays_parted(pieces: list[tuple[str, str, str]]) -> None:
    text = "".join(form.format(name) + separator for name, form, separator in pieces)
    assert parse_tags(strip_emphasis(text)) == parse_tags(",".join(name for name, _, _ in pieces))


@given(st.text("ab1.:,()[]{} \n\t\ufeff", max_size=30) | st.lists(PIECES, max_size=5).map(", ".join))
@example("\ufeff(a)")
@example("a\t(b), c")
def test_a_quick_look_overlooks_nothing(text: str) -> None:
    assert has_emphasis(f"BREAK, {text}")[1:] == has_emphasis(text)


@settings(deadline=None)
@given(st.text("ab1.:,()[]{}|<>BREAK \\\n\0", max_size=80))
@example("(" * 3000 + "a" + ")" * 3000)
@example("1.2::a " * 500)
def test_nothing_crashes_it(text: str) -> None:
    assert len(strip_emphasis(text)) <= len(text)
    assert all(mark in text for mark in has_emphasis(text))
