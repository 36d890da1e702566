"""A model as adapters see it, small: a network with every kind of layer and a text encoder, on numbers of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import nn
from torch.nn import functional

from trainer.contracts.adapter import Adapter, AdapterSettings, Attached, Site
from trainer.contracts.model import Model

WORDS, WIDTH = 50, 12


class Net(nn.Module):
    """Linear layers, convolutions (3x3, stride 2, 1x1) and norms between [B, 4, 8, 8] and the same."""

    def __init__(self) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(4, 16, 3, padding=1)
        self.shrink = nn.Conv2d(16, 32, 3, stride=2, padding=1)
        self.norm = nn.GroupNorm(4, 32)
        self.mix = nn.Conv2d(32, 32, 1)
        self.blocks = nn.ModuleList([Block(), Block()])
        self.conv_out = nn.Conv2d(32, 4, 3, padding=1, bias=False)

    def forward(self, x: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        hidden = self.mix(functional.silu(self.norm(self.shrink(self.conv_in(x)))))
        for block in self.blocks:
            hidden = block(hidden, states)
        return self.conv_out(functional.interpolate(hidden, scale_factor=2.0))


class Block(nn.Module):
    """Attention from places to words."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q = nn.Linear(32, 32, bias=False)
        self.to_k = nn.Linear(WIDTH, 32, bias=False)
        self.to_v = nn.Linear(WIDTH, 32, bias=False)
        self.to_out = nn.Sequential(nn.Linear(32, 32), nn.Dropout(0.0))

    def forward(self, hidden: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        query = self.to_q(hidden.flatten(2).transpose(1, 2))
        seen = functional.scaled_dot_product_attention(query, self.to_k(states), self.to_v(states))
        return hidden + self.to_out(seen).transpose(1, 2).reshape(hidden.shape)


class TextNet(nn.Module):
    """A table of token vectors, and one layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict({"token": nn.Embedding(WORDS, WIDTH)})
        self.proj = nn.Linear(WIDTH, WIDTH)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.proj(self.embeddings["token"](ids)))


@dataclass
class Toy:
    """What of `Model` an adapter touches, and `paint`."""

    parts: Mapping[str, nn.Module]
    token_embeddings: Mapping[str, str] = field(default_factory=lambda: {"text_encoder": "embeddings.token"})
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    words: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def token_ids(self, text: str) -> list[int]:
        return [i for word in text.split() for i in self.words.get(word, (sum(word.encode()) % WORDS,))]

    def add_word(self, word: str, num_vectors: int) -> tuple[int, ...]:
        first = WORDS + sum(len(ids) for ids in self.words.values())
        self.words[word] = tuple(range(first, first + num_vectors))
        return self.words[word]

    def paint(self, prompt: str = "a blue hat") -> torch.Tensor:
        """What the network makes of two fixed pictures and the prompt, [2, 4, 8, 8]."""
        dtype = self.parts["unet"].get_parameter("conv_in.weight").dtype
        x = torch.linspace(-1, 1, 512).reshape(2, 4, 8, 8).sin().mul(2.0).to(dtype)
        states = self.parts["text_encoder"](torch.tensor([self.token_ids(prompt)] * 2))
        painted: torch.Tensor = self.parts["unet"](x, states)
        return painted


def toy(dtype: torch.dtype = torch.float32) -> Toy:
    """The same weights each time, frozen."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        parts: dict[str, nn.Module] = {"unet": Net(), "text_encoder": TextNet()}
    for part in parts.values():
        part.requires_grad_(False).to(dtype)
    return Toy(parts)


def sites(model: Toy, adapter: Adapter, *, rank: int = 2, dropout: float = 0.0) -> list[Site]:
    """Every module that the adapter can take."""
    return [
        Site(f"{part}.{path}", rank, 2.0, dropout)
        for part, root in model.parts.items()
        for path, module in root.named_modules()
        if (type(module).__name__ in adapter.kinds if adapter.kinds else list(module.parameters(recurse=False)))
    ]


def attach(
    adapter: Adapter, model: Toy, chosen: Sequence[Site] | None = None, *, dropout: float = 0.0, **settings: Any
) -> Attached:
    """The adapter on every module, or on the chosen ones; a word too, where it learns one."""
    words = {"word": "sks", "num_vectors": 2, "init_text": "blue hat"} if adapter.product == "embedding" else {}
    if chosen is None:
        chosen = sites(model, adapter, dropout=dropout)
    given = AdapterSettings(**{"seed": 1, **words, **settings})
    return adapter.attach(cast(Model, model), chosen, settings=given)


def train_a_little(model: Toy, attached: Attached, *, prompt: str, rate: float = 0.02, steps: int = 4) -> None:
    """Steps that leave no parameter as it was."""
    parameters = [parameter for group in attached.groups() for parameter in group.parameters]
    optimizer = torch.optim.Adam(parameters, lr=rate)
    attached.train(True)
    for _ in range(steps):
        model.paint(prompt).float().sub(0.5).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    attached.train(False)
