"""The three prompt languages: as the programs read them, and there and back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datakit.errors import UsageError
from datakit.tags.syntax.model import BREAK, Span, merged, number
from datakit.tags.syntax.schedules import find_schedules, schedule_words
from datakit.tags.syntax.table import SYNTAXES, convert, syntax_named

PEERS: dict[str, Any] = json.loads((Path(__file__).parent / "peer_parses.json").read_text("utf-8"))
PROGRAMS = ("a1111", "comfyui", "novelai")

WEIGHTS = st.integers(-300, 300).map(lambda hundredths: hundredths / 100)
ANY_TEXT = st.text(alphabet="ab (){}[]:|\\,.1é猫B", max_size=12)
NOVELAI_TEXT = st.text(alphabet="ab ()|\\,.:é猫", min_size=1, max_size=12).filter(lambda text: "::" not in text)


def spans_of(text: st.SearchStrategy[str]) -> st.SearchStrategy[list[Span]]:
    return st.lists(st.builds(Span, text, WEIGHTS), max_size=6)


@pytest.mark.parametrize("name", ["a1111", "comfyui"])
def test_prompts_are_read_as_the_program_reads_them(name: str) -> None:
    cases = PEERS[name]
    assert len(cases) >= 30
    for text, said in cases:
        found = [[span.text, -1.0 if span.kind == "break" else span.weight] for span in SYNTAXES[name].parse(text)]
        assert found == [[part, pytest.approx(weight)] for part, weight in said if part], text


def test_schedules_are_found_where_the_program_finds_them() -> None:
    cases = PEERS["a1111_schedules"]
    assert len(cases) >= 20
    for text, has_schedule in cases:
        assert bool(find_schedules(text)) == has_schedule, text


@pytest.mark.parametrize("name", ["a1111", "comfyui"])
@given(spans=spans_of(ANY_TEXT))
@example(spans=[Span("a\\", 1.2), Span("(", 1.2), Span("b:1.3)", 0.5)])
@example(spans=[Span(":3", 1.2)])
def test_what_is_written_is_read_again(name: str, spans: list[Span]) -> None:
    syntax = SYNTAXES[name]
    found = merged(syntax.parse(syntax.write(spans).text))
    expected = merged(spans)
    assert [span.text for span in found] == [span.text for span in expected] or name == "a1111"
    assert "".join(span.text for span in found).strip(" ") == "".join(span.text for span in expected).strip(" ")
    assert weights_by_letter(found) == weights_by_letter(expected)


def weights_by_letter(spans: tuple[Span, ...]) -> list[tuple[str, str]]:
    """Each letter with its weight, without the blanks at both ends, which no program keeps."""
    letters = [(letter, number(span.weight)) for span in spans for letter in span.text]
    while letters and letters[0][0] == " ":
        del letters[0]
    while letters and letters[-1][0] == " ":
        letters.pop()
    return letters


@given(spans=spans_of(NOVELAI_TEXT))
@example(spans=[Span("kos-mos re:", 1.2), Span("fate 7", 1.3)])
def test_what_is_written_for_novelai_is_read_again(spans: list[Span]) -> None:
    parted = [part for span in spans for part in (span, Span(", "))]
    syntax = SYNTAXES["novelai"]
    assert weights_by_letter(syntax.parse(syntax.write(parted).text)) == weights_by_letter(merged(parted))


@pytest.mark.parametrize("other", PROGRAMS)
@pytest.mark.parametrize("name", PROGRAMS)
@given(weights=st.lists(st.floats(-9, 9, allow_nan=False), min_size=1, max_size=5))
def test_there_and_back_keeps_the_weights(name: str, other: str, weights: list[float]) -> None:
    spans = [
        part for place, weight in enumerate(weights) for part in (Span(f"tag {'abcde'[place]}", weight), Span(", "))
    ]
    text = SYNTAXES[name].write(spans).text
    there = convert(text, SYNTAXES[name], target=SYNTAXES[other])
    back = convert(there.text, SYNTAXES[other], target=SYNTAXES[name])
    found = {span.text: span.weight for span in SYNTAXES[name].parse(back.text)}
    for span in spans:
        if span.text != ", " and number(span.weight) != "1":
            assert found[span.text] == pytest.approx(span.weight, abs=1e-3)


@pytest.mark.parametrize("name", SYNTAXES)
@settings(deadline=None)
@given(text=st.text(alphabet="a1.,:()[]{}|\\ -B\n", max_size=60))
@example(text="(" * 900 + "a" + ")" * 900)
@example(text="{" * 5000)
@example(text="[a|" * 500)
def test_nothing_crashes_a_parser_or_a_writer(name: str, text: str) -> None:
    spans = SYNTAXES[name].parse(text)
    for target in SYNTAXES.values():
        assert target.write(spans).text is not None


@pytest.mark.parametrize(
    ("text", "spans"),
    [
        ("{a}", [("a", 1.05)]),
        ("{{a}}, b", [("a", 1.1025), (", b", 1)]),
        ("[[a]]", [("a", 1 / 1.1025)]),
        ("1.2::a, b::, c", [("a, b", 1.2), (", c", 1)]),
        ("-1::a::", [("a", -1)]),
        (".5::a", [("a", 0.5)]),
        ("1.2::{a}::", [("a", 1.26)]),
        ("1.2::a, 0.8::b::", [("a, ", 1.2), ("b", 0.8)]),
        ("a (b), c:d, e::f", [("a (b), c:d, e::f", 1)]),
        ("a}, b]", [("a}, b]", 1)]),
        ("x1.2::y", [("x1.2::y", 1)]),
        ("1.2::fate 7 ::", [("fate 7", 1.2)]),
        ("", []),
    ],
)
def test_novelai(text: str, spans: list[tuple[str, float]]) -> None:
    found = [(span.text, span.weight) for span in SYNTAXES["novelai"].parse(text)]
    assert found == [(part, pytest.approx(weight)) for part, weight in spans]


@pytest.mark.parametrize(
    ("source", "target", "text", "written"),
    [
        ("nai", "a1111", "{{1girl}}, [hat], 1.2::red hair::", "(1girl:1.1025), (hat:0.9524), (red hair:1.2)"),
        ("a1111", "nai", "((x)), (y:0.8), fate 7", "1.21::x::, 0.8::y::, fate 7"),
        ("a1111", "comfy", r"(kaname \(art\):1.2), 00 qan\[t\]", r"(kaname \(art\):1.2), 00 qan[t]"),
        ("comfy", "a1111", r"a [b] \(c\)", r"a \[b\] \(c\)"),
        ("plain", "a1111", "kaname (art), :3", r"kaname \(art\), :\3"),
        ("a1111", "plain", r"(kaname \(art\):1.2), [b]", "kaname (art), b"),
        ("a1111", "a1111", "a BREAK  b, [c:d:0.5]", "a BREAK b, [c:d:0.5]"),
        ("a1111", "plain", "a, BREAK, b, [c:d:0.5]", "a, b, c, d"),
        ("a1111", "comfy", "a BREAK (b:1.2)", "a, (b:1.2)"),
        ("nai", "plain", "", ""),
    ],
)
def test_conversion(source: str, target: str, text: str, written: str) -> None:
    assert convert(text, syntax_named(source), target=syntax_named(target)).text == written


@pytest.mark.parametrize(
    ("source", "target", "text", "said"),
    [
        ("nai", "a1111", "-1::hat::", "'hat': a weight below 0"),
        ("a1111", "nai", "a BREAK b", "BREAK is written as a comma"),
        ("a1111", "comfy", "[a:b:0.5]", "only A1111 has schedules"),
        ("a1111", "nai", r"late\[st\]", "knows no escape"),
        ("a1111", "plain", "(a:1.2)", "weights are left out"),
        ("a1111", "plain", "[a|b]", "written as 'a, b'"),
        ("comfy", "a1111", "#compass", "comment"),
    ],
)
def test_what_the_target_cannot_say_is_told(source: str, target: str, text: str, said: str) -> None:
    notes = convert(text, syntax_named(source), target=syntax_named(target)).notes
    assert any(said in sentence for sentence in notes)


def test_a_prompt_that_can_be_said_brings_no_notes() -> None:
    assert convert("{a}, b", syntax_named("nai"), target=syntax_named("a1111")).notes == ()


def test_break_is_a_break_only_outside_brackets() -> None:
    parse = SYNTAXES["a1111"].parse
    assert parse("a BREAK b") == (Span("a"), BREAK, Span("b"))
    assert BREAK not in parse("(a BREAK b)")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[a:b:0.5]", ("a", "b")),
        ("[a|b|a]", ("a", "b")),
        ("[:b:3]", ("b",)),
        ("[a::.5]", ("a",)),
        ("[(a:1.2):3]", ("(a:1.2)",)),
    ],
)
def test_what_a_schedule_shows(text: str, words: tuple[str, ...]) -> None:
    assert find_schedules(text) == [(0, len(text))]
    assert schedule_words(text) == words


def test_an_unknown_language_is_an_error_that_names_the_nearest() -> None:
    with pytest.raises(UsageError) as caught:
        syntax_named("a111")
    assert "a1111" in caught.value.hint
