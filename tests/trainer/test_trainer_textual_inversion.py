"""A word's vectors: where they start, what they change, and that nothing else learns."""

from __future__ import annotations

import pytest
import torch
from adapter_material import WORDS, Toy, attach, toy, train_a_little
from torch import nn

from trainer.adapters.textual_inversion import first_vectors
from trainer.errors import ConfigError
from trainer.registry import ADAPTERS

WORD = ADAPTERS.load("textual_inversion", field="adapter.name")
NAME = "text_encoder.embeddings.token.vectors"


def table(model: Toy) -> torch.Tensor:
    return model.parts["text_encoder"].get_parameter("embeddings.token.weight")


def test_vectors_start_as_the_texts_tokens() -> None:
    rows = torch.arange(20.0).reshape(10, 2)
    assert torch.equal(first_vectors(rows, [3, 5], num_vectors=2), rows[[3, 5]])
    assert torch.equal(first_vectors(rows, [3, 5], num_vectors=5), rows[[3, 5, 3, 5, 3]])
    means = first_vectors(rows, [1, 3, 8], num_vectors=2)
    assert torch.equal(means, torch.stack([(rows[1] + rows[3]) / 2, rows[8]]))
    assert torch.equal(first_vectors(rows, [1, 3, 8], num_vectors=1), rows[[1, 3, 8]].mean(dim=0, keepdim=True))


def test_without_a_text_it_starts_as_its_own_tokens() -> None:
    model = toy()
    expected = table(model)[model.token_ids("sks")]
    hung = attach(WORD, model, init_text="", num_vectors=1)
    assert torch.equal(hung.state()[NAME], expected)


def test_only_the_words_vectors_change() -> None:
    model, before = toy(), toy()
    hung = attach(WORD, model)
    train_a_little(model, hung, prompt="a sks")
    assert hung.state()[NAME].shape == (2, 12)
    assert [group.role for group in hung.groups()] == ["vector"]
    hung.merge()
    grown = table(model)
    assert grown.shape[0] == WORDS + 2
    assert torch.equal(grown[:WORDS], table(before))
    assert torch.equal(grown[WORDS:], hung.state()[NAME])
    assert torch.equal(model.paint("a blue hat"), before.paint("a blue hat"))


def test_each_place_in_a_prompt_sees_its_vector() -> None:
    model = toy()
    hung = attach(WORD, model)
    hung.load({NAME: torch.stack([torch.zeros(12), torch.ones(12)])})
    look = model.parts["text_encoder"].get_submodule("embeddings.token")
    seen = look(torch.tensor([[4, WORDS + 1, WORDS, 7]]))[0]
    assert torch.equal(seen[1:3], torch.stack([torch.ones(12), torch.zeros(12)]))
    assert torch.equal(seen[[0, 3]], look.base.weight[[4, 7]])


def test_a_table_with_unused_ids_before_the_word() -> None:
    model = toy()
    model.add_word("other", 3)
    hung = attach(WORD, model)
    wrapped = model.paint("a sks hat")
    hung.merge()
    assert table(model).shape[0] == WORDS + 5
    assert torch.equal(model.paint("a sks hat"), wrapped)


@pytest.mark.parametrize(
    ("settings", "said"), [({"word": " "}, "adapter.word"), ({"init_text": " "}, "adapter.init_text")]
)
def test_words_and_texts_of_nothing_are_refused(settings: dict[str, str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        attach(WORD, toy(), **settings)


def test_a_family_without_a_table_is_refused() -> None:
    with pytest.raises(ConfigError, match="no text encoder"):
        attach(WORD, Toy({"unet": nn.Linear(2, 2)}, token_embeddings={}), [])
    with pytest.raises(ConfigError, match="no table"):
        attach(WORD, Toy({"t": nn.ModuleDict({"e": nn.Linear(60, 60)})}, token_embeddings={"t": "e"}), [])
