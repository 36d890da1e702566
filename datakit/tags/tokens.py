"""How many tokens CLIP makes of a caption, and where a chunk of 75 ends.

CLIP reads 75 tokens at once, between two marks. Longer captions are read in chunks: sd-scripts cuts hard at every 75th
token, up to `max_token_length` (75, 150 or 225), and leaves out the rest (kohya-ss/sd-scripts:library/train_util.py,
`get_input_ids`); A1111 moves a piece of at most 20 tokens into the next chunk
(AUTOMATIC1111/stable-diffusion-webui:modules/sd_hijack_clip.py). The chunks here are those of sd-scripts.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from itertools import accumulate
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    import tokenizers

CHUNK: Final = 75
"""Tokens of a chunk, the marks at both ends not counted."""
_MARKS: Final = ("<|startoftext|>", "<|endoftext|>")
_WORD_END: Final = "</w>"
_WORDS: Final = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_PIECE: Final = re.compile(r"[^,\r\n]*(?:,|[\r\n]+|$)")


class Piece(msgspec.Struct, frozen=True):
    """What one chunk has of one piece of the caption."""

    text: str
    """The tag as the caption has it, its comma included; the whole of it, also where it is cut."""
    num_tokens: int
    """Those in this chunk."""
    cut: bool = False
    """Whether the border of a chunk goes through it."""


class Chunk(msgspec.Struct, frozen=True):
    """75 tokens of a caption, or what is left of it."""

    num_tokens: int
    pieces: tuple[Piece, ...]


class Tokenizer:
    """CLIP's tokenizer."""

    def __init__(self, pairs: Sequence[tuple[str, str]]) -> None:
        self._pairs = pairs

    @cached_property
    def _model(self) -> tokenizers.Tokenizer:
        return _build(self._pairs)

    def ids(self, text: str) -> list[int]:
        """The text's tokens, without the marks at both ends."""
        found: list[int] = self._model.encode(text, add_special_tokens=False).ids
        return found

    def count(self, text: str) -> int:
        """How many tokens the text is, without the marks at both ends."""
        return len(self.ids(text))

    def counts(self, words: Sequence[str]) -> list[int]:
        """How many tokens each of many words is, in less than a quarter of the time that asking for each takes.

        Raises:
            ValueError: one has a blank in it, or something beside ASCII.
        """
        text = " ".join(words)
        if not text.isascii() or len(text.split()) != len(words):
            raise ValueError("not words of ASCII, without blanks")
        found = [0] * len(words)
        ends = list(accumulate(len(word) + 1 for word in words))
        number = 0
        for start, _ in self._model.encode(text, add_special_tokens=False).offsets:
            while start >= ends[number]:
                number += 1
            found[number] += 1
        return found

    def chunks(self, text: str) -> list[Chunk]:
        """The text in chunks of 75 tokens; at least one, which may be empty."""
        starts: list[int] = [start for start, _ in self._model.encode(text, add_special_tokens=False).offsets]
        pieces = [match for match in _PIECE.finditer(text) if match[0]]
        found = []
        number = 0
        for begin in range(0, max(len(starts), 1), CHUNK):
            end = min(begin + CHUNK, len(starts))
            number, inside = _pieces_of(pieces, starts, begin=begin, end=end, number=number)
            found.append(Chunk(end - begin, tuple(inside)))
        return found


def _pieces_of(
    pieces: Sequence[re.Match[str]], starts: Sequence[int], *, begin: int, end: int, number: int
) -> tuple[int, list[Piece]]:
    """The pieces that tokens[begin:end] belong to, from the `number`-th on; and the last one's number.

    A token belongs to the piece in which it begins: CLIP reads `:),` as one.
    """
    found: list[Piece] = []
    place = begin
    while place < end:
        while pieces[number].end() <= starts[place]:
            number += 1
        first = place
        while place < end and starts[place] < pieces[number].end():
            place += 1
        was_begun = first == begin > 0 and starts[begin - 1] >= pieces[number].start()
        goes_on = place == end < len(starts) and starts[end] < pieces[number].end()
        found.append(Piece(pieces[number][0].strip(), place - first, was_begun or goes_on))
    return number, found


def _byte_letters() -> list[str]:
    """A printable letter for each byte, in the vocabulary's order (openai/gpt-2:src/encoder.py)."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    return [*map(chr, printable), *(chr(256 + place) for place in range(256 - len(printable)))]


def _build(pairs: Sequence[tuple[str, str]]) -> tokenizers.Tokenizer:
    """The tokenizer of the pairs that CLIP merges, the most common first (openai/CLIP:clip/simple_tokenizer.py).

    Text is prepared as Hugging Face's CLIPTokenizer does it, which is what trainers and viewers use.
    """
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    letters = _byte_letters()
    words = [*letters, *(letter + _WORD_END for letter in letters), *map("".join, pairs), *_MARKS]
    made = Tokenizer(
        models.BPE(
            vocab={word: number for number, word in enumerate(words)},
            merges=list(pairs),
            end_of_word_suffix=_WORD_END,
            unk_token=_MARKS[1],
        )
    )
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(_WORDS), behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    made.add_special_tokens(list(_MARKS))
    return made
