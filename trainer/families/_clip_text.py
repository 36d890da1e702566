"""CLIP's own tokenizer, and words of more than its vocabulary.

The vocabulary of OpenAI CLIP: 256 byte characters, the same at a word's end, 48,894 merged pairs and two
marks, 49,408 in all (openai/CLIP:clip/simple_tokenizer.py). Text is not cleaned beforehand, which is what the
trainers and viewers of the field do.
"""

from __future__ import annotations

import bz2
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

BEGIN, END = 49406, 49407
VOCABULARY = 49408
_WORD_END = "</w>"


@dataclass(frozen=True)
class Word:
    """A word that stands for ids of its own."""

    text: str
    ids: tuple[int, ...]
    """Past the vocabulary; never torn apart."""

    def found_in(self) -> str:
        """Regular expression of the word as it stands between commas, blanks and the text's ends."""
        inner = r"\s+".join(re.escape(piece) for piece in self.text.split())
        return rf"(?<![^\s,]){inner}(?![^\s,])"


def merges() -> list[tuple[str, str]]:
    """The pairs to merge, the most common first."""
    packed = resources.files("trainer.families").joinpath("assets", "clip_merges.txt.bz2").read_bytes()
    pairs = []
    for line in bz2.decompress(packed).decode().split("\n"):
        first, _, second = line.partition(" ")
        pairs.append((first, second))
    return pairs


def byte_characters() -> dict[int, str]:
    """A printable character for each byte, in the vocabulary's order; GPT-2's table."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + place) for place, byte in enumerate(others)}


@lru_cache(maxsize=1)
def vocabulary() -> dict[str, int]:
    """Every token's text, `</w>` at a word's end, and its id."""
    letters = byte_characters().values()
    words = [*letters, *(letter + _WORD_END for letter in letters), *("".join(pair) for pair in merges())]
    words += ["<|startoftext|>", "<|endoftext|>"]
    return {word: number for number, word in enumerate(words)}


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """The tokenizer; about a third of a second to make, so made once."""
    from transformers.models.clip import tokenization_clip

    # Its annotation asks for a list of texts, its code for a list of pairs.
    make: Any = tokenization_clip.CLIPTokenizer
    return make(vocab=dict(vocabulary()), merges=merges())


@lru_cache(maxsize=1)
def commas() -> frozenset[int]:
    """Ids of tokens that end in a comma: `,` itself, those that took in what stands before, such as `),`, and `、`."""
    ends = tuple(comma + _WORD_END for comma in (",", _letters("、")))
    return frozenset(number for word, number in vocabulary().items() if word.endswith(ends))


@lru_cache(maxsize=1)
def wide_comma() -> tuple[int, ...]:
    """Ids of `，`, which is in no token: one for each of its bytes."""
    letters = _letters("，")
    return tuple(vocabulary()[letter] for letter in (*letters[:-1], letters[-1] + _WORD_END))


def _letters(text: str) -> str:
    """The vocabulary's characters of the text's bytes."""
    table = byte_characters()
    return "".join(table[byte] for byte in text.encode())


def token_ids(text: str) -> list[int]:
    """Ids of the text without the marks at both ends; any length."""
    ids: list[int] = tokenizer()(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return ids


def pieces(text: str, words: Sequence[Word] = ()) -> list[tuple[int, ...]]:
    """The text's ids, each alone, and each word's together, upper and lower case alike."""
    if not words:
        return [(number,) for number in token_ids(text)]
    # Longer words first, lest one be taken for another that it starts with.
    known = sorted(words, key=lambda word: -len(word.text))
    expression = re.compile("|".join(f"({word.found_in()})" for word in known), re.IGNORECASE)
    found: list[tuple[int, ...]] = []
    done = 0
    for match in expression.finditer(text):
        found += [(number,) for number in token_ids(text[done : match.start()])]
        assert match.lastindex is not None
        found.append(known[match.lastindex - 1].ids)
        done = match.end()
    return found + [(number,) for number in token_ids(text[done:])]


def tokenizer_files(pad: str) -> dict[str, bytes]:
    """The tokenizer as diffusers and transformers read it from a folder; `pad` is the token that fills up."""
    lines = ["#version: 0.2", *(f"{first} {second}" for first, second in merges())]
    marks = {"bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>", "unk_token": "<|endoftext|>"}
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": 77,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
        **marks,
        "pad_token": pad,
    }
    return {
        "vocab.json": json.dumps(vocabulary(), ensure_ascii=False).encode(),
        "merges.txt": ("\n".join(lines) + "\n").encode(),
        "tokenizer_config.json": json.dumps(settings, indent=2).encode(),
        "special_tokens_map.json": json.dumps({**marks, "pad_token": pad}, indent=2).encode(),
    }
