"""Captions for trainers: one line, nothing escaped or empty, with and without the separator."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from datakit.exports.captions import fixed_tags, joined, one_line, without_separator

PIECES = st.sampled_from(
    [
        "1girl",
        "red hat",
        "a \\(b\\)",
        "|||",
        "",
        " ",
        "\n",
        "\r\n",
        ",",
        ", ",
        "\ufeff",
        "A girl stands. ",
        "\\(",
        "\\",
        "^_^",
    ]
)
CAPTIONS = st.one_of(st.text(), st.lists(PIECES).map("".join), st.lists(PIECES).map(", ".join))


@given(CAPTIONS)
@example("\ufeff1girl\n\n\nA girl, who smiles.\nShe\u2028waves.")
@example("a\\\\(b")
@example("\\\\\\(")
@example(" \ufeffa")
def test_one_line_is_one_line_and_says_the_same_again(text: str) -> None:
    line = one_line(text)
    assert len(line.splitlines()) <= 1
    assert line == line.strip()
    assert one_line(line) == line


@given(CAPTIONS)
def test_no_piece_is_empty(text: str) -> None:
    line = one_line(text)
    assert not line or all(piece.strip() for piece in line.split(", "))


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("1girl,\r\nred hat\r\n\r\nsmile", "1girl, red hat, smile"),
        ("a \\(b\\), c,, ,d", "a (b), c, d"),
        ("\ufeff1girl", "1girl"),
        (" \n", ""),
        ("sks ||| 1girl, smile", "sks ||| 1girl, smile"),
    ],
)
def test_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


@given(CAPTIONS)
def test_without_separator_leaves_none(text: str) -> None:
    plain = without_separator(one_line(text))
    assert "|||" not in plain
    assert without_separator(plain) == plain
    assert without_separator(text, "") == text


@pytest.mark.parametrize(
    ("caption", "separator", "plain", "number"),
    [
        ("sks, 1girl ||| smile", "|||", "sks, 1girl, smile", 2),
        ("sks, |||, smile", "|||", "sks, smile", 1),
        ("||| smile", "|||", "smile", 0),
        ("a ||| b ||| c", "|||", "a, b, c", 1),
        ("a, b", "|||", "a, b", 0),
        ("a @@ b", "@@", "a, b", 1),
        ("a ||| b", "", "a ||| b", 0),
    ],
)
def test_the_separator(caption: str, separator: str, plain: str, number: int) -> None:
    assert without_separator(caption, separator) == plain
    assert fixed_tags(caption, separator) == number


def test_joined() -> None:
    assert joined([" a", "", "b ", " "]) == "a, b"
