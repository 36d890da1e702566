"""Textual inversion files: names, shapes, and what is no such file."""

from __future__ import annotations

from pathlib import Path

import pytest
import safetensors.torch
import torch
from peers.lora_material import family_of

from trainer.errors import LoraFileError
from trainer.formats import embedding

SDXL, SD15 = family_of("sdxl"), family_of("sd15")
TABLE = "embeddings.token_embedding.vectors"
ONE = {f"text_encoder.{TABLE}": torch.randn(3, 768)}
TWO = ONE | {f"text_encoder_2.{TABLE}": torch.randn(3, 1280)}


def test_sd15_calls_its_vectors_emb_params(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    embedding.save(path, ONE, family=SD15, dtype=torch.float16, metadata={"modelspec.title": "x"})
    found = safetensors.torch.load_file(path)
    assert {key: (tuple(one.shape), one.dtype) for key, one in found.items()} == {
        "emb_params": ((3, 768), torch.float16)
    }
    with safetensors.safe_open(path, "pt") as file:
        assert file.metadata() == {"modelspec.title": "x"}


def test_sdxl_s_two_come_back(tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    embedding.save(path, TWO, family=SDXL, dtype=torch.float32, metadata={})
    assert {key: len(one) for key, one in safetensors.torch.load_file(path).items()} == {"clip_l": 3, "clip_g": 3}
    vectors = embedding.load(path, family=SDXL)
    assert {part: tuple(one.shape) for part, one in vectors.items()} == {
        "text_encoder": (3, 768),
        "text_encoder_2": (3, 1280),
    }
    back = embedding.to_state(vectors, TWO, family=SDXL)
    assert set(back) == set(TWO)
    assert all(torch.equal(back[name], TWO[name]) for name in TWO)


def test_one_vector_without_its_axis(tmp_path: Path) -> None:
    safetensors.torch.save_file({"emb_params": torch.ones(768).half()}, tmp_path / "x.safetensors")
    found = embedding.load(tmp_path / "x.safetensors", family=SD15)
    assert (found["text_encoder"].shape, found["text_encoder"].dtype) == ((1, 768), torch.float32)


@pytest.mark.parametrize(
    ("tensors", "word"),
    [
        ({"emb_params": torch.ones(2, 768)}, "has emb_params, not clip_g, clip_l"),
        ({"clip_l": torch.ones(2, 768)}, "has clip_l, not"),
        ({"clip_l": torch.ones(1, 2, 768), "clip_g": torch.ones(2, 1280)}, "2 axes"),
        ({"clip_l": torch.tensor(1.0), "clip_g": torch.ones(2, 1280)}, "2 axes"),
    ],
)
def test_files_that_are_no_word_of_this_family(tmp_path: Path, tensors: dict[str, torch.Tensor], word: str) -> None:
    safetensors.torch.save_file(tensors, tmp_path / "x.safetensors")
    with pytest.raises(LoraFileError, match=word):
        embedding.load(tmp_path / "x.safetensors", family=SDXL)


def test_an_encoder_without_vectors_is_named() -> None:
    with pytest.raises(LoraFileError, match="has no clip_g"):
        embedding.to_state({"text_encoder": torch.ones(1, 768)}, TWO, family=SDXL)
