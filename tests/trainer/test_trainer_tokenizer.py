"""CLIP's tokenizer: the ids of OpenAI's own, and prompts of any length."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainer.families._clip_text import BEGIN, CHUNK, END, chunks, merges, token_ids, tokenizer

GOLDEN: dict[str, list[int]] = json.loads((Path(__file__).parent / "golden" / "clip_token_ids.json").read_text())


@pytest.mark.parametrize("text", GOLDEN)
def test_the_ids_of_openai(text: str) -> None:
    assert token_ids(text) == GOLDEN[text]


def test_the_whole_vocabulary_is_there() -> None:
    assert len(merges()) == 48894
    assert len(tokenizer()) == 49408


@given(tags=st.lists(st.sampled_from(["1girl", "long hair", "saber (fate)", "looking at viewer", ":d"]), max_size=80))
def test_rows_hold_all_tokens_and_tear_no_tag(tags: list[str]) -> None:
    text = ", ".join(tags)
    rows = chunks(text)
    assert all(len(row) == CHUNK + 2 and row[0] == BEGIN for row in rows)
    inner = [row[1 : row.index(END)] for row in rows]
    assert [number for row in inner for number in row] == token_ids(text)
    comma = token_ids(",")[0]
    assert all(row[-1] == comma for row in inner[:-1])


def test_a_tag_longer_than_a_row_is_split() -> None:
    text = "word " * 100
    rows = chunks(text)
    assert len(rows) == 2
    assert sum(row.index(END) - 1 for row in rows) == 100
