"""Prompts through one or two CLIP text encoders: R rows of 77 tokens, S text states, D width."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import nn

from trainer.contracts.model import TextRule
from trainer.errors import ConfigError
from trainer.families._chunks import CHUNK, join, rows
from trainer.families._clip_text import END, VOCABULARY, Word, pieces
from trainer.families._digests import joined, network_digest, settings_of

_VERSION = 2
"""To be raised when the same weights and prompt give other states."""


@dataclass(frozen=True)
class TextStyle:
    """How a family reads its text encoders."""

    pads: Mapping[str, int]
    """Text part -> id that fills a row up; the parts' states are laid side by side in this order."""
    layer: int
    """Layer whose states are told, counted from the end, where the run does not say."""
    final_norm: bool
    """Whether the encoder's last layer norm is put on those states."""
    pooled: str = ""
    """Text part whose projected state at the end mark is told too."""


ONE = TextStyle({"text_encoder": END}, layer=1, final_norm=True)
"""SD 1.5: hidden_states[-k], then the final layer norm."""
TWO = TextStyle({"text_encoder": END, "text_encoder_2": 0}, layer=2, final_norm=False, pooled="text_encoder_2")
"""SDXL: both encoders' last states but one as they are; the second fills up with id 0, `!`
(Stability-AI/generative-models:sgm/modules/encoders/modules.py)."""


class Texts:
    """The text encoders of a model, and the words that it learnt."""

    def __init__(self, encoders: Mapping[str, nn.Module], style: TextStyle, *, rule: TextRule) -> None:
        self.encoders = {part: encoders[part] for part in style.pads}
        self.style = style
        self.rule = rule
        self.layer = rule.clip_skip or style.layer
        self.words: list[Word] = []
        for encoder in self.encoders.values():
            layers = int(settings_of(encoder)["num_hidden_layers"])
            if self.layer > layers:
                raise ConfigError(
                    f"text.clip_skip: {self.layer}, but a text encoder has {layers} layers", hint="1 is the last one"
                )

    def encode(self, prompt: str) -> dict[str, torch.Tensor]:
        """`states` [S, D], and `pooled` [P] of the first row where the family has it.

        Each prompt is read alone, so that its states do not depend on its neighbours.
        """
        return self.encode_together([prompt])[0]

    def encode_together(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """As `encode` of each, all rows at once: faster, and equal but for the last bits."""
        found: list[dict[str, torch.Tensor]] = [{} for _ in prompts]
        sides: list[list[torch.Tensor]] = [[] for _ in prompts]
        for part, pad in self.style.pads.items():
            encoder = self.encoders[part]
            texts = [rows(prompt, self.rule, pad=pad, words=self.words) for prompt in prompts]
            ids = torch.tensor([row for text in texts for row in text], device=_device(encoder))
            hidden = _hidden(encoder, ids)
            states = hidden[-self.layer]
            if self.style.final_norm:
                states = _core(encoder).final_layer_norm(states)
            counts = [len(text) for text in texts]
            for place, own in enumerate(torch.split(_wide(states, encoder), counts)):
                sides[place].append(join(own, self.rule))
            if part == self.style.pooled:
                firsts = zip(torch.split(hidden[-1], counts), torch.split(ids, counts), strict=True)
                for place, (last, row_ids) in enumerate(firsts):
                    found[place]["pooled"] = _wide(_pooled(encoder, last, ids=row_ids), encoder)
        # Encoders that lie on several devices, while one is trained, tell all of it where the first one lies.
        device = sides[0][0].device
        for place, laid in enumerate(sides):
            found[place]["states"] = torch.cat([side.to(device) for side in laid], dim=-1)
        return [{name: tensor.to(device) for name, tensor in one.items()} for one in found]

    def ids(self, text: str) -> list[int]:
        """Ids of a text without marks."""
        return [number for piece in pieces(text, self.words) for number in piece]

    def add(self, word: str, num_vectors: int) -> tuple[int, ...]:
        """New ids for a word. Raises ConfigError where it can be no word."""
        if not word.strip() or "," in word:
            raise ConfigError(f"adapter.word: {word!r} is not one word or tag", hint="leave out commas")
        if not 1 <= num_vectors <= CHUNK:
            raise ConfigError(f"adapter.num_vectors: {num_vectors}, but a prompt's row has {CHUNK} tokens")
        if any(known.text.casefold() == word.strip().casefold() for known in self.words):
            raise ConfigError(f"adapter.word: {word!r} is learnt already")
        first = VOCABULARY + sum(len(known.ids) for known in self.words)
        ids = tuple(range(first, first + num_vectors))
        self.words.append(Word(word.strip(), ids))
        return ids

    def digest(self) -> str:
        """Of all that decides a prompt's states."""
        settings = {"rule": asdict(self.rule), "layer": self.layer, "words": [asdict(word) for word in self.words]}
        encoders = {part: network_digest(encoder) for part, encoder in self.encoders.items()}
        return joined({**encoders, "settings": json.dumps(settings, sort_keys=True), "version": str(_VERSION)})

    def embeddings(self) -> dict[str, str]:
        """Text part -> path of its table of token vectors."""
        inner = "embeddings.token_embedding"
        return {
            part: f"text_model.{inner}" if _core(encoder) is not encoder else inner
            for part, encoder in self.encoders.items()
        }


def _core(encoder: nn.Module) -> Any:
    """The text model proper; transformers' classes are it or hold it, by version."""
    return getattr(encoder, "text_model", encoder)


def _device(encoder: nn.Module) -> torch.device:
    return next(encoder.parameters()).device


def _wide(states: torch.Tensor, encoder: nn.Module) -> torch.Tensor:
    """As float32 where the weights are shorter; what autocast makes of float32 weights stays as it is."""
    return states if next(encoder.parameters()).dtype == torch.float32 else states.float()


def _hidden(encoder: nn.Module, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """States [R, 77, D] before the first layer and after each one, none of them normed."""
    output = _core(encoder)(ids, output_hidden_states=True, return_dict=True)
    hidden: tuple[torch.Tensor, ...] = output.hidden_states
    return hidden


def _pooled(encoder: nn.Module, last: torch.Tensor, *, ids: torch.Tensor) -> torch.Tensor:
    """The projected state [P] of the first row's first end mark, no longer the largest id once words are learnt.

    Without an end mark it is the first state's, as in kohya-ss/sd-scripts:library/strategy_sdxl.py.
    """
    place = int((ids[0] == END).int().argmax())
    state = _core(encoder).final_layer_norm(last[0, place])
    projected: torch.Tensor = encoder.get_submodule("text_projection")(state)
    return projected
