"""Token counts are those of the tokenizer that trains."""

from __future__ import annotations

import itertools
import random
from functools import cache
from typing import Any

import pytest
from danbooru_names import every_name
from hypothesis import example, given, settings
from hypothesis import strategies as st

from datakit.actions.tokenizing import load_tokenizer
from datakit.tags.names import to_prompt
from datakit.tags.tokens import CHUNK, Chunk, Piece, Tokenizer

CAPTION = "1girl, hatsune miku (cosplay), :d, >:(, \\(^o^)/, 初音ミク, café, 👩‍👩‍👧, it's"


@cache
def ours() -> Tokenizer:
    return load_tokenizer()


@cache
def theirs() -> Any:
    """Hugging Face's CLIPTokenizer, as the trainer builds it."""
    pytest.importorskip("transformers", reason="the trainer's tokenizer needs transformers")
    from trainer.families import _clip_text

    return _clip_text.token_ids


@settings(deadline=None)
@given(st.text(max_size=60))
@example(CAPTION)
@example("<|endoftext|> <|startoftext|>a <|ENDOFTEXT|>")
@example("  a\t\n b\u00a0c\u3000d ")
@example("İ ß ﬁ e\u0301 \u200b \ufeff \0")
@example("x" * 400)
@example("")
def test_any_text_gives_the_tokens_of_the_trainer(text: str) -> None:
    assert ours().ids(text) == theirs()(text)


@settings(deadline=None)
@given(st.text(st.characters(categories=["So", "Sk", "Mn", "Lo", "Lt", "Nl", "No", "Pc", "Cf", "Co"]), max_size=20))
def test_emoji_and_rare_letters(text: str) -> None:
    assert ours().ids(text) == theirs()(text)


def test_five_thousand_tags_and_long_captions() -> None:
    names = random.Random(9).sample(every_name(), 5000)
    prompts = [*map(to_prompt, names)]
    assert [prompt for prompt in prompts if ours().ids(prompt) != theirs()(prompt)] == []
    for start in range(0, 5000, 250):
        caption = ", ".join(prompts[start : start + 250])
        assert ours().ids(caption) == theirs()(caption)


def test_counts() -> None:
    assert ours().count("") == 0
    assert ours().count("1girl") == 2
    assert ours().count("a, a") == 3


def test_a_short_caption_is_one_chunk() -> None:
    assert ours().chunks("1girl, long hair") == [Chunk(5, (Piece("1girl,", 3), Piece("long hair", 2)))]
    assert ours().chunks("") == [Chunk(0, ())]
    assert ours().chunks(" ,, ") == [Chunk(1, (Piece(",", 1),))]


def test_a_tag_on_the_border_is_cut_and_shown_in_both_chunks() -> None:
    text = ", ".join(["a"] * 37) + ", red hair ribbon, b"
    first, second = ours().chunks(text)
    assert (first.num_tokens, second.num_tokens) == (75, 4)
    assert first.pieces[-1] == Piece("red hair ribbon,", 1, cut=True)
    assert second.pieces == (Piece("red hair ribbon,", 3, cut=True), Piece("b", 1))
    assert not any(piece.cut for piece in first.pieces[:-1])


def test_a_border_between_tags_cuts_none() -> None:
    text = ", ".join(["a"] * 36) + ", red hair, b"
    first, second = ours().chunks(text)
    assert first.num_tokens == 75
    assert second.pieces == (Piece("b", 1),)
    assert not any(piece.cut for piece in (*first.pieces, *second.pieces))


def test_a_tag_longer_than_a_chunk() -> None:
    chunks = ours().chunks("a, " + "a " * 160 + ", b")
    assert [chunk.num_tokens for chunk in chunks] == [75, 75, 14]
    assert [chunk.pieces[0].cut for chunk in chunks] == [False, True, True]


def test_lines_are_pieces_too() -> None:
    assert [piece.text for piece in ours().chunks("1girl\nlong hair\r\nhat")[0].pieces] == ["1girl", "long hair", "hat"]


@settings(deadline=None)
@given(
    st.lists(st.sampled_from(["1girl", "long hair", ":)", "kaname (art)", "", "é猫", "a\nb"]), max_size=60).map(
        ",".join
    )
)
def test_chunks_hold_every_token_once(text: str) -> None:
    chunks = ours().chunks(text)
    assert sum(chunk.num_tokens for chunk in chunks) == ours().count(text)
    for chunk in chunks:
        assert chunk.num_tokens == sum(piece.num_tokens for piece in chunk.pieces)
        assert chunk.num_tokens <= CHUNK
    for chunk in chunks[:-1]:
        assert chunk.num_tokens == CHUNK
    for before, after in itertools.pairwise(chunks):
        assert before.pieces[-1].cut == after.pieces[0].cut
