"""The query language: what is written is what is meant, and a mistake is shown where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from queries import nodes

from datakit.errors import UsageError
from datakit.tags.query.parsing import (
    EVERYTHING,
    And,
    Between,
    Compare,
    Flag,
    Match,
    Near,
    Node,
    Not,
    Or,
    Pattern,
    format_query,
    parse_pattern,
    parse_query,
)  # fmt: skip
from datakit.tags.query.words import COMPARED, WORDS, bounds


def tag(*names: str) -> Match:
    return Match("tag", tuple(Pattern("is", name) for name in names))


READ: dict[str, Node] = {
    "": EVERYTHING,
    "  hat ": tag("hat"),
    "Blue_Hair": tag("blue_hair"),
    '"long hair"': tag("long_hair"),
    "hat_(aria)": tag("hat_(aria)"),
    "(hat_(aria))": tag("hat_(aria)"),
    r"hat_\(aria\)": tag("hat_(aria)"),
    "hat cap": And((tag("hat"), tag("cap"))),
    "hat and cap": And((tag("hat"), tag("cap"))),
    "hat,cap": tag("hat", "cap"),
    "a or b c": Or((tag("a"), And((tag("b"), tag("c"))))),
    "(a | b) c": And((Or((tag("a"), tag("b"))), tag("c"))),
    "-a": Not(tag("a")),
    "not a": Not(tag("a")),
    "--a": Not(Not(tag("a"))),
    "-(a b)": Not(And((tag("a"), tag("b")))),
    'tag:"-_-"': tag("-_-"),
    '"|_|"': tag("|_|"),
    ">_<": tag(">_<"),
    ":d": tag(":d"),
    "^_^": tag("^_^"),
    "tag:a*b": Match("tag", (Pattern("like", "a*b"),)),
    '"*"': tag("*"),
    "tag:/^a b|c/i": Match("tag", (Pattern("regex", "^a b|c", True),)),
    r"/a\/b/": Match("tag", (Pattern("regex", r"a\/b"),)),
    "rating:G,sensitive": Match("rating", (Pattern("is", "general"), Pattern("is", "sensitive"))),
    "width>=1024": Compare("width", ">=", "1024"),
    "num_tags==5": Compare("num-tags", "=", "5"),
    "score:10..50": Between("score", "10", "50"),
    "score:-3..": Between("score", "-3", ""),
    "date:2023": Compare("date", "=", "2023"),
    "ratio<3:4": Compare("ratio", "<", "3:4"),
    "size<1.5MB": Compare("size", "<", "1.5MB"),
    "untagged": Flag("untagged"),
    "character": tag("character"),
    "artist:none": Match("artist", (Pattern("is", "none"),)),
    "near-duplicate-of:x": Near("x"),
    'near-duplicate-of:"a b"~4': Near("a b", 4),
    "near-duplicate-of:a~b~12": Near("a~b", 12),
    'caption:"Red, hat"': Match("caption", (Pattern("is", "Red, hat"),)),
    "concept:char_A": Match("concept", (Pattern("is", "char_A"),)),
}


@pytest.mark.parametrize("text", READ)
def test_a_query_means(text: str) -> None:
    assert parse_query(text) == READ[text]


def test_the_query_of_the_documentation() -> None:
    found = parse_query("tag:hat -tag:solo rating:g,s width>=1024 concept:char_A untagged near-duplicate-of:x")
    assert isinstance(found, And)
    assert [type(part) for part in found.parts] == [Match, Not, Match, Compare, Match, Flag, Near]


MISTAKES = {
    "widht>3": ("⟨here⟩widht>3", "did you mean 'width'?"),
    "a tg:b": ("a ⟨here⟩tg:b", "did you mean 'tag'?"),
    "re:zero": ("⟨here⟩re:zero", 'tag:"re:zero"'),
    "width": ("needs a value", "width>=1024"),
    "width >= 3": ("needs a value", "width>=1024"),
    "rating:sfae": ("rating:⟨here⟩sfae", "one of"),
    "rating:generl": ("cannot be 'generl'", "did you mean 'general'?"),
    "has:captoin": ("cannot be", "did you mean 'caption'?"),
    "(a": ("⟨here⟩(a", ""),
    "a)": ("a⟨here⟩)", ""),
    "a |": ("a word is missing: a |⟨here⟩", ""),
    "-": ("behind '-'", ""),
    "- ": ("behind '-'", ""),
    '"abc': ("a quote is not closed", ""),
    "/abc": ("not closed with '/'", ""),
    '"a"b': ('"a"⟨here⟩b', ""),
    "tag:": ("tag:⟨here⟩", ""),
    "a,": ("a,⟨here⟩", "words side by side mean and"),
    "tag:/(/": ("not a regular expression", ""),
    'tag:""': ("an empty value", "untagged"),
    "score>x": ("score>⟨here⟩x", "a number" and "score:10..50"),
    "score:1..x": ("'x' is not a number", ""),
    "score:..": ("'..' is not a number", ""),
    "date>2023-13": ("is not a date", ""),
    "date>2023-02-30": ("is not a date", ""),
    "size>10xb": ("is not a size", "size<100kb"),
    "size>1,2": ("takes one value", ""),
    "tag>3": ("has no order", "tag:blue_*"),
    "untagged:3": ("stands alone", "untagged"),
    "near-duplicate-of:x~99": ("at most 32", ""),
    "in:wpi": ("cannot be 'wpi'", "did you mean 'wip'?"),
    "in:export": ("cannot be 'export'", ""),
    "(" * 300 + "a" + ")" * 300: ("too many parentheses", ""),
    "-" * 300 + "a": ("too many parentheses", ""),
}


@pytest.mark.parametrize("text", MISTAKES)
def test_a_mistake_is_shown_where_it_is(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_query(text)
    told, hint = MISTAKES[text]
    assert told in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.hint


@given(nodes(late=True))
def test_a_tree_is_written_as_the_query_that_gives_it(node: Node) -> None:
    assert parse_query(format_query(node)) == node


@given(st.text())
def test_any_text_is_a_query_or_a_mistake(text: str) -> None:
    try:
        found = parse_query(text)
    except UsageError:
        return
    assert parse_query(format_query(found)) == found


@given(st.text(alphabet='ab_* "/\\|()-,:<>=~.0123&;ortag', max_size=12))
def test_what_is_understood_is_understood_again(text: str) -> None:
    try:
        found = parse_query(text)
    except UsageError:
        return
    assert parse_query(format_query(found)) == found


@pytest.mark.parametrize("word", WORDS.values(), ids=lambda word: word.name)
def test_every_word_has_an_example_that_is_a_query(word: object) -> None:
    from datakit.tags.query.evaluating import walk

    example = WORDS[word.name].example  # type: ignore[attr-defined]
    words = {
        getattr(node, "word", "near-duplicate-of") for node in walk(parse_query(example)) if not isinstance(node, Not)
    }
    assert words == {word.name}  # type: ignore[attr-defined]


@pytest.mark.parametrize("text", ["hat", "blue_*", "/^blue_/", '"*"', "long hair", ">_<", ":d"])
def test_a_pattern_alone(text: str) -> None:
    found = parse_pattern(f'"{text}"' if " " in text else text)
    assert found.kind == {"blue_*": "like", "/^blue_/": "regex"}.get(text, "is")


@pytest.mark.parametrize("text", ["", "a,b", "a | b", "-a b", "a)"])
def test_what_is_no_pattern(text: str) -> None:
    with pytest.raises(UsageError):
        parse_pattern(text)


def test_values_of_compared_words() -> None:
    assert {word.name for word in WORDS.values() if word.kind in COMPARED} >= {"width", "date", "size", "tokens"}
    assert bounds(WORDS["size"], "2kb") == (2000, 2000)
    assert bounds(WORDS["size"], "2KiB") == (2048, 2048)
    assert bounds(WORDS["ratio"], "3:4") == (0.75, 0.75)
    assert bounds(WORDS["ratio"], "3:0") is None
    first, last = bounds(WORDS["date"], "2024-02") or (0, 0)
    assert last - first == 29 * 86_400 - 1
    assert bounds(WORDS["date"], "9999") is None


def test_every_word_is_documented() -> None:
    page = (Path(__file__).parents[2] / "docs" / "queries.md").read_text("utf-8")
    assert [name for name in WORDS if f"`{name}" not in page and f"{name}:" not in page] == []
