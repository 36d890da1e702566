"""CLIP's tokenizer: the ids of OpenAI's own, and the files that others read it from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers.models.clip.tokenization_clip import CLIPTokenizer

from trainer.families._clip_text import commas, merges, token_ids, tokenizer, tokenizer_files, vocabulary

GOLDEN: dict[str, list[int]] = json.loads((Path(__file__).parent / "golden" / "clip_token_ids.json").read_text())


@pytest.mark.parametrize("text", GOLDEN)
def test_the_ids_of_openai(text: str) -> None:
    assert token_ids(text) == GOLDEN[text]


def test_the_whole_vocabulary_is_there() -> None:
    assert len(merges()) == 48894
    assert len(tokenizer()) == len(vocabulary()) == 49408
    assert vocabulary()["!"] == 0
    assert token_ids(",")[0] in commas()


@pytest.mark.parametrize("pad", ["<|endoftext|>", "!"])
def test_the_files_give_the_same_tokenizer(pad: str, tmp_path: Path) -> None:
    for name, content in tokenizer_files(pad).items():
        (tmp_path / name).write_bytes(content)
    read = CLIPTokenizer.from_pretrained(tmp_path)
    assert read.pad_token == pad
    assert read.model_max_length == 77
    for text, ids in GOLDEN.items():
        assert read(text).input_ids[1:-1] == ids
