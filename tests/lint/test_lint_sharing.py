"""What rules share of a collection: each piece is understood once, and nothing that is said depends on it."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datakit.actions.linting.context import token_counter
from datakit.actions.tokenizing import load_tokenizer
from datakit.errors import InputError
from datakit.lint.captions import Caption, KnownPieces, read_caption
from datakit.lint.collection import Collection, once
from datakit.lint.facts.tokencounts import WordCounts
from datakit.tags.captions import BAR, is_prose, looks_like_prose, may_be_prose
from datakit.tags.names import to_canonical

COUNTER = token_counter()
WORDS = [
    "hat",
    "long hair",
    "Long_Hair",
    "a photo of the dog.",
    "hand on own hip",
    "the",
    "Is it?",
    " ",
    "雨。",
    "x (y)",
]
BETWEEN = [",", ", ", " , ", "\n", "\r\n", "\r", "\n\n", BAR, f", {BAR}, "]
PARTS = st.one_of(st.sampled_from(WORDS), st.sampled_from(BETWEEN), st.text(max_size=8))
TEXTS = st.lists(PARTS, max_size=30).map("".join)


def in_collection(texts: Sequence[str]) -> Collection:
    files = {f"{number:03}.txt": text.encode("utf-8", "replace") for number, text in enumerate(texts)}
    return Collection(stage="", paths=tuple(files), read=files.__getitem__, looked=lambda path, look: {})


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=6))
def test_a_caption_reads_the_same_whatever_was_read_before(texts: list[str]) -> None:
    known = KnownPieces()
    for text in texts:
        data = text.encode("utf-8", "replace")
        assert read_caption("a.txt", data, known) == read_caption("a.txt", data)


@given(TEXTS)
def test_its_pieces_are_what_stands_between_and_have_its_tags(text: str) -> None:
    caption = read_caption("a.txt", text.encode("utf-8", "replace"))
    plain = caption.listed.replace("\r", ",").replace("\n", ",").replace(BAR, ",")
    assert caption.pieces == tuple(filter(None, map(str.strip, plain.split(","))))
    assert caption.tags == tuple(map(to_canonical, caption.pieces))


@given(TEXTS)
def test_what_looks_like_prose_has_a_piece_that_may_be(text: str) -> None:
    pieces = text.replace("\r", ",").replace("\n", ",").replace(BAR, ",").split(",")
    assert looks_like_prose(text) == is_prose(text)
    assert not looks_like_prose(text) or any(map(may_be_prose, pieces))


@given(st.lists(TEXTS, max_size=8))
def test_pieces_and_tags_name_the_captions_that_have_them(texts: list[str]) -> None:
    collection = in_collection(texts)
    captions = collection.read_captions.values()

    def places(word: str, of: int) -> tuple[str, ...]:
        return tuple(caption.path for caption in captions if word in caption[of])

    fields = Caption._fields
    pieces, tags = fields.index("pieces"), fields.index("tags")
    assert collection.pieces_in_use == {
        piece: places(piece, pieces) for caption in captions for piece in caption.pieces
    }
    assert list(collection.tags_in_use) == list(
        dict.fromkeys(tag for caption in captions for tag in caption.tags if tag)
    )
    assert collection.tags_in_use == {tag: places(tag, tags) for tag in collection.tags_in_use}


@settings(max_examples=120, deadline=None)
@given(st.lists(st.text(max_size=12).map(str.strip).filter(bool), max_size=12))
def test_words_that_are_learnt_at_once_are_as_many_tokens(pieces: list[str]) -> None:
    counts = WordCounts(COUNTER)
    counts.learn(pieces)
    assert all(COUNTER.count(word) == number for word, number in counts.items())
    text = ", ".join(pieces)
    assert counts.of(text) == COUNTER.count(text)


@pytest.mark.parametrize("words", [["a b"], ["a", ""], ["é"], ["a\x1cb"]])
def test_only_words_of_ascii_are_counted_at_once(words: list[str]) -> None:
    with pytest.raises(ValueError, match="words of ASCII"):
        load_tokenizer().counts(words)


def test_what_rules_share_is_worked_out_once_for_each_collection_and_question() -> None:
    asked = []

    @once
    def letters(collection: Collection, *, most: int = 9) -> int:
        asked.append((collection.paths, most))
        return most

    one, other = in_collection(["a"]), in_collection(["a"])
    assert [letters(one), letters(one), letters(one, most=3), letters(other)] == [9, 9, 3, 9]
    assert len(asked) == 3


def test_what_fails_is_asked_again() -> None:
    answers = iter([InputError("not now"), None])

    @once
    def fails(collection: Collection) -> str:
        if (error := next(answers)) is not None:
            raise error
        return "now"

    collection = in_collection([])
    with pytest.raises(InputError):
        fails(collection)
    assert fails(collection) == "now"
