"""Prompts in rows of 77: cut between tags as viewers do, or every 75 tokens as sd-scripts does; words stay whole."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainer.contracts.model import TextRule
from trainer.families._chunks import CHUNK, join, rows
from trainer.families._clip_text import BEGIN, END, Word, commas, token_ids

TAGS = ["1girl", "long hair", "saber (fate)", "looking at viewer", ":d", "^_^", "少女", "a!"]
BY_TAGS = TextRule()
WORD = Word("sks style", (49408, 49409, 49410))


def inner(row: list[int]) -> list[int]:
    """Tokens between the marks."""
    assert len(row) == CHUNK + 2
    assert row[0] == BEGIN
    return row[1 : row.index(END)]


def read(prompt: str, rule: TextRule = BY_TAGS, words: tuple[Word, ...] = ()) -> list[list[int]]:
    return [inner(row) for row in rows(prompt, rule, pad=0, words=words)]


@given(tags=st.lists(st.sampled_from(TAGS), max_size=80))
def test_rows_hold_all_tokens_and_tear_no_tag(tags: list[str]) -> None:
    text = ", ".join(tags)
    found = read(text)
    assert [number for row in found for number in row] == token_ids(text)
    assert all(row[-1] in commas() for row in found[:-1])


def test_a_comma_that_its_bracket_took_in_ends_a_tag_too() -> None:
    (merged,) = token_ids("),")
    assert merged in commas()
    tag = token_ids("saber (fate),")
    found = read("saber (fate), " * 40)
    assert all(len(row) % len(tag) == 0 for row in found)
    assert len(found) == -(-40 // (CHUNK // len(tag)))


@pytest.mark.parametrize("comma", ["、", "，"])
def test_a_comma_of_chinese_or_japanese_ends_a_tag(comma: str) -> None:
    tag = token_ids(f"very long hair{comma}")
    found = read(f"very long hair{comma}" * 40)
    assert CHUNK % len(tag) != 0
    assert {len(row) for row in found[:-1]} == {CHUNK - CHUNK % len(tag)}


@pytest.mark.parametrize("count", [0, 1, 74, 75, 76, 150, 151, 1000])
def test_no_row_too_many(count: int) -> None:
    assert [len(row) for row in read("cat " * count)] == [
        min(CHUNK, count - start) for start in range(0, max(count, 1), CHUNK)
    ]


STRANGE = ["a\nb", "a\0b", "😀, a", "👩\u200d👧", "\ufeffa", "e\u0301, é", " ", "<|endoftext|>, a", ",,,", "\t"]


@pytest.mark.parametrize("text", STRANGE)
def test_strange_text_is_read(text: str) -> None:
    (row,) = rows(text, BY_TAGS, pad=0)
    assert row[: len(token_ids(text)) + 2] == [BEGIN, *token_ids(text), END]


def test_rows_are_filled_behind_their_end() -> None:
    (row,) = rows("1girl", BY_TAGS, pad=0)
    assert row == [BEGIN, *token_ids("1girl"), END, *[0] * (CHUNK - len(token_ids("1girl")))]
    assert rows("", BY_TAGS, pad=END) == [[BEGIN, *[END] * 76]]
    (full,) = rows("hat " * 75, BY_TAGS, pad=0)
    assert full[-1] == END


def test_a_tag_longer_than_a_row_is_cut_within() -> None:
    found = read("1girl, " + "word " * 100)
    assert [len(row) for row in found] == [len(token_ids("1girl,")), 75, 25]


@pytest.mark.parametrize(
    ("prompt", "parts"),
    [
        ("a BREAK b", ["a", "b"]),
        ("a, BREAK, b", ["a,", ", b"]),
        ("a BREAK BREAK b", ["a", "", "b"]),
        ("BREAK a", ["", "a"]),
        ("a BREAK", ["a"]),
        ("breaking, break a", ["breaking, break a"]),
        ("BREAK", [""]),
    ],
)
def test_the_word_break_ends_a_row(prompt: str, parts: list[str]) -> None:
    assert read(prompt) == [token_ids(part) for part in parts]


def test_a_limit_is_one_of_rows() -> None:
    text = ", ".join(["long hair"] * 100)
    assert read(text, TextRule("tags", 150)) == read(text)[:2]
    assert len(read(text)) > 3


@pytest.mark.parametrize("text", ["sks style", "1girl, SKS  Style, solo", "hat sks style", "sks style,sks style"])
def test_a_word_is_found_between_commas_and_blanks(text: str) -> None:
    (row,) = read(text, words=(WORD,))
    known = text.casefold().replace("sks  style", "sks style").split("sks style")
    expected: list[int] = token_ids(known[0])
    for rest in known[1:]:
        expected += [*WORD.ids, *token_ids(rest)]
    assert row == expected


@pytest.mark.parametrize("text", ["sks styles", "xsks style", "(sks style)", "sks, style", "sks-style"])
def test_other_texts_are_not_the_word(text: str) -> None:
    assert read(text, words=(WORD,)) == [token_ids(text)]


def test_the_longer_of_two_words_is_found() -> None:
    short = Word("sks", (49411,))
    assert read("sks style, sks", words=(short, WORD)) == [[*WORD.ids, *token_ids(","), 49411]]


@pytest.mark.parametrize("rule", [BY_TAGS, TextRule("sd-scripts", 225)])
@pytest.mark.parametrize("before", range(70, 77))
def test_no_word_is_torn_apart(rule: TextRule, before: int) -> None:
    found = read("hat " * before + "sks style", rule, (WORD,))
    (place,) = [number for number, row in enumerate(found) if WORD.ids[0] in row]
    start = found[place].index(WORD.ids[0])
    assert tuple(found[place][start : start + 3]) == WORD.ids
    assert (place, start) == ((0, before) if before <= 72 else (1, max(0, before - 75)))


@pytest.mark.parametrize(("limit", "count"), [(75, 1), (150, 2), (225, 3), (0, 3)])
@pytest.mark.parametrize("tokens", [0, 10, 75, 100, 300])
def test_the_split_of_sd_scripts(limit: int, count: int, tokens: int) -> None:
    found = rows("hat " * tokens, TextRule("sd-scripts", limit), pad=0)
    hat = token_ids("hat")[0]
    assert len(found) == count
    assert sum(row.count(hat) for row in found) == min(tokens, count * CHUNK)
    assert all(END in row for row in found)
    states = torch.arange(count * 77)[:, None].reshape(count, 77, 1)
    joined = join(states, TextRule("sd-scripts"))[:, 0].tolist()
    assert joined == [0, *(n for n in range(count * 77) if n % 77 not in (0, 76)), count * 77 - 1]
    assert join(states, BY_TAGS)[:, 0].tolist() == list(range(count * 77))
