"""Textual inversion: a new word's token vectors are learnt, and nothing else.

Gal et al. 2022 (arXiv 2208.01618). Each text encoder has vectors of its own for the word, `num_vectors` of them.
They start from the vectors of `init_text`'s tokens (of the word's own, where there is none): as many tokens as
vectors go one to one, fewer are repeated in turn, and of more each vector is the mean of a run of neighbours.
Their length is not held near that of the table's vectors, and weight decay is not for them (trainer/rates.py).

Switched off, the word has the vectors that it started from.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from trainer.adapters._places import DTYPES, check_fit, module_at, put
from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Group, Site
from trainer.contracts.model import Model
from trainer.errors import ConfigError

VECTORS = "vectors"


class WordEmbedding(nn.Module):
    """A frozen table of token vectors and the vectors [N, D] of N ids beyond it."""

    ids: torch.Tensor
    initial: torch.Tensor

    def __init__(self, base: nn.Embedding, ids: Sequence[int], *, initial: torch.Tensor) -> None:
        super().__init__()
        self.base = base
        self.enabled = True
        self.register_buffer("ids", torch.tensor(ids, device=initial.device), persistent=False)
        self.register_buffer("initial", initial, persistent=False)
        self.vectors = nn.Parameter(initial.clone())

    @property
    def weight(self) -> torch.Tensor:
        """The table, which tells others its width and precision."""
        return self.base.weight

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        """[..., ] ids to [..., D]."""
        same = tokens[..., None] == self.ids
        is_new = same.any(dim=-1)
        known: torch.Tensor = self.base(tokens.masked_fill(is_new, 0))
        vectors = self.vectors if self.enabled else self.initial
        new = functional.embedding(same.int().argmax(dim=-1), vectors)
        return torch.where(is_new[..., None], new.to(known.dtype), known)

    def table(self) -> nn.Embedding:
        """One table with all vectors; ids between the old table's end and the word's have zeros."""
        old = self.base.weight
        whole = old.new_zeros(max(old.shape[0], int(self.ids.max()) + 1), old.shape[1])
        whole[: old.shape[0]] = old
        whole[self.ids] = self.vectors.detach().to(old.dtype)
        grown = nn.Embedding(whole.shape[0], whole.shape[1], _weight=whole)
        grown.requires_grad_(False)
        return grown


@dataclass(frozen=True)
class WordAttached:
    """The word's vectors, by `<part>.<path of the table>`."""

    tables: Mapping[str, WordEmbedding]
    parts: Mapping[str, nn.Module]

    def groups(self) -> Sequence[Group]:
        """One per text encoder."""
        return [Group(path, "vector", [table.vectors]) for path, table in self.tables.items()]

    def state(self) -> dict[str, torch.Tensor]:
        """`<part>.<path of the table>.vectors` [N, D]."""
        return {f"{path}.{VECTORS}": table.vectors.detach() for path, table in self.tables.items()}

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the vectors."""
        own = self.state()
        check_fit(own, state)
        with torch.no_grad():
            for name, tensor in state.items():
                own[name].copy_(tensor)

    def train(self, on: bool) -> None:
        """Nothing is ever dropped."""

    def enable(self, on: bool) -> None:
        """Off, the word has its first vectors."""
        for table in self.tables.values():
            table.enabled = on

    def merge(self) -> None:
        """The tables grow by the word's vectors."""
        for path, table in self.tables.items():
            put(self.parts, path, module=table.table())


def attach(model: Model, sites: Sequence[Site], *, settings: AdapterSettings) -> Attached:
    """Adds the word to every text encoder; sites are of no matter. Raises ConfigError."""
    if not settings.word.strip():
        raise ConfigError("adapter.word is empty", hint='name the word to learn, e.g. word = "sks-style"')
    if not model.token_embeddings:
        raise ConfigError("adapter.name: this family has no text encoder that could learn a word", hint="use lora")
    # Before the word is known: it is made of plain tokens so far.
    start = model.token_ids(settings.init_text or settings.word)
    if not start:
        raise ConfigError(f"adapter.init_text: {settings.init_text!r} has no tokens", hint="use a plain word")
    ids = model.add_word(settings.word, settings.num_vectors)
    tables = {}
    for part, inner in model.token_embeddings.items():
        path = f"{part}.{inner}"
        base = module_at(model.parts, path)
        if not isinstance(base, nn.Embedding):
            raise ConfigError(f"{path} is a {type(base).__name__}, no table of vectors", hint="attach one word only")
        initial = first_vectors(base.weight, start, num_vectors=settings.num_vectors)
        tables[path] = WordEmbedding(base, ids, initial=initial.to(model.device, DTYPES[settings.dtype]))
        put(model.parts, path, module=tables[path])
    return WordAttached(tables, model.parts)


def first_vectors(table: torch.Tensor, tokens: Sequence[int], *, num_vectors: int) -> torch.Tensor:
    """[num_vectors, D], float32, of these tokens: repeated in turn, or means of runs of neighbours."""
    found = table.detach()[list(tokens)].float()
    if len(tokens) <= num_vectors:
        return found[[number % len(tokens) for number in range(num_vectors)]]
    return torch.stack([run.mean(dim=0) for run in torch.tensor_split(found, num_vectors)])


ADAPTER = Adapter(name="textual_inversion", product="embedding", attach=attach, kinds=("Embedding",))
