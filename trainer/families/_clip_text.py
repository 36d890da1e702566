"""CLIP's own tokenizer, and prompts of any length for it.

The vocabulary of OpenAI CLIP: 256 byte characters, the same at a word's end, 48,894 merged pairs and two
marks, 49,408 in all (openai/CLIP:clip/simple_tokenizer.py). Text is not cleaned beforehand, which is what the
trainers and viewers of the field do.
"""

from __future__ import annotations

import bz2
from collections.abc import Sequence
from functools import lru_cache
from importlib import resources
from typing import Any

BEGIN, END = 49406, 49407
CHUNK = 75
"""Tokens between the two marks: what CLIP was trained to read at once."""


def merges() -> list[tuple[str, str]]:
    """The pairs to merge, the most common first."""
    packed = resources.files("trainer.families").joinpath("assets", "clip_merges.txt.bz2").read_bytes()
    pairs = []
    for line in bz2.decompress(packed).decode().split("\n"):
        first, _, second = line.partition(" ")
        pairs.append((first, second))
    return pairs


def byte_characters() -> list[str]:
    """A printable character for each byte, in the vocabulary's order; GPT-2's table."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + place) for place in range(len(others))]


@lru_cache(maxsize=1)
def tokenizer() -> Any:
    """The tokenizer; about a third of a second to make, so made once."""
    from transformers.models.clip import tokenization_clip

    pairs = merges()
    letters = byte_characters()
    words = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in pairs)]
    words += ["<|startoftext|>", "<|endoftext|>"]
    # Its annotation asks for a list of texts, its code for a list of pairs.
    make: Any = tokenization_clip.CLIPTokenizer
    return make(vocab={word: number for number, word in enumerate(words)}, merges=pairs)


def token_ids(text: str) -> list[int]:
    """Ids of the text without the marks at both ends; any length."""
    ids: list[int] = tokenizer()(text, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    return ids


def chunks(text: str) -> list[list[int]]:
    """Rows of 77 ids, each marked at both ends and filled with END; at least one row.

    A tag is not torn apart: rows end behind a comma where a tag would not fit whole. Only a tag longer than a
    row is split within.
    """
    rows: list[list[int]] = [[]]
    for tag in _tags(token_ids(text)):
        if len(rows[-1]) + len(tag) > CHUNK and rows[-1]:
            rows.append([])
        rest = tag
        while len(rest) > CHUNK:
            rows[-1] = rest[:CHUNK]
            rest = rest[CHUNK:]
            rows.append([])
        rows[-1].extend(rest)
    full = [row for row in rows if row] or [[]]
    return [[BEGIN, *row, END, *[END] * (CHUNK - len(row))] for row in full]


def _tags(ids: Sequence[int]) -> list[list[int]]:
    """The ids cut behind each comma."""
    comma = 267
    tags: list[list[int]] = [[]]
    for number in ids:
        tags[-1].append(number)
        if number == comma:
            tags.append([])
    return tags
