"""Stable Diffusion behind the model contract: UNet, VAE, and one CLIP text encoder or two.

B batch, S text states, D their width, P width of the pooled state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from trainer.contracts.model import Condition, Geometry, TextRule
from trainer.families._digests import joined, network_digest, settings_of
from trainer.families._text import Texts, TextStyle


class StableDiffusion:
    """A loaded model; see `trainer.contracts.model.Model`.

    A condition has `states` [B, S, D]; where the family pools texts also `pooled` [B, P] and `time_ids` [B, 6]:
    original height and width, top and left of the crop, target height and width, in pixels (Podell et al. 2023,
    arXiv 2307.01952, section 2.2).
    """

    def __init__(
        self, networks: Mapping[str, nn.Module], style: TextStyle, *, rule: TextRule, device: str = "cpu"
    ) -> None:
        self.device = torch.device(device)
        for network in networks.values():
            network.requires_grad_(False).eval()
        self.networks = networks
        # Asked before anything is attached or stored otherwise.
        self._dtype = next(networks["unet"].parameters()).dtype
        self.texts = Texts(networks, style, rule=rule)
        self.parts: Mapping[str, nn.Module] = {"unet": networks["unet"], **self.texts.encoders}
        self.token_embeddings: Mapping[str, str] = self.texts.embeddings()
        vae = settings_of(networks["vae"])
        self.latent_channels = int(vae["latent_channels"])
        self._scale = float(vae["scaling_factor"])
        self._shift = float(vae.get("shift_factor") or 0.0)

    def place(self, part: str, device: torch.device | str) -> torch.device:
        """Moves a network; see the contract."""
        before = where(self.networks[part])
        if before != torch.device(device):
            self.networks[part].to(device)
        return before

    def digest(self) -> str:
        """Of all networks."""
        return joined({part: network_digest(network) for part, network in self.networks.items()})

    def vae_digest(self) -> str:
        """Of the VAE's weights and settings."""
        return network_digest(self.networks["vae"])

    def text_digest(self) -> str:
        """Of the text encoders, how they are read, and the words that were added."""
        return self.texts.digest()

    @torch.no_grad()
    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation, times the VAE's scaling factor."""
        vae: Any = self.networks["vae"]
        found = vae.encode(pixels.to(where(vae), torch.float32)).latent_dist
        mean, deviation = (found.mean - self._shift) * self._scale, found.std * self._scale
        return mean.to(pixels.device), deviation.to(pixels.device)

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels in -1..1."""
        vae: Any = self.networks["vae"]
        scaled = latents.to(where(vae), torch.float32) / self._scale + self._shift
        pixels: torch.Tensor = vae.decode(scaled).sample
        return pixels.clamp(-1.0, 1.0).to(latents.device)

    def encode_text(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """`states` [S, D] of each prompt, and `pooled` [P] where the family has it.

        With gradient all are read together, else each alone, so that what is kept depends on no neighbour.
        """
        if torch.is_grad_enabled() and prompts:
            return self.texts.encode_together(prompts)
        return [self.texts.encode(prompt) for prompt in prompts]

    def assemble(
        self, texts: Sequence[Condition], geometry: Sequence[Geometry], *, empty: Condition | None = None
    ) -> dict[str, torch.Tensor]:
        """The batch's condition; shorter texts are filled up with the states of an empty one, as viewers do.

        `empty`: what `encode_text` says of an empty prompt, where the caller knows it; else it is asked.
        """
        states = [text["states"].to(self.device) for text in texts]
        longest = max(state.shape[0] for state in states)
        if any(state.shape[0] < longest for state in states):
            nothing = (empty or self.texts.encode(""))["states"].to(self.device)
            states = [torch.cat([state, *[nothing] * _short(state, longest, nothing)]) for state in states]
        condition = {"states": torch.stack(states)}
        if "pooled" in texts[0]:
            condition["pooled"] = torch.stack([text["pooled"].to(self.device) for text in texts])
            sizes = [_time_ids(one) for one in geometry]
            condition["time_ids"] = torch.tensor(sizes, dtype=torch.float32, device=self.device)
        return condition

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, *, condition: Condition) -> torch.Tensor:
        """The UNet's output."""
        unet = self.networks["unet"]
        device, added = where(unet), None
        if "pooled" in condition:
            # Sizes stay float32: bf16 has no number between 1024 and 1032.
            sizes = condition["time_ids"].to(device)
            added = {"text_embeds": condition["pooled"].to(device, self._dtype), "time_ids": sizes}
        states = condition["states"].to(device, self._dtype)
        seen = noisy.to(device, self._dtype)
        output: torch.Tensor = unet(seen, times.to(device), states, added_cond_kwargs=added, return_dict=False)[0]
        return output.to(noisy)

    def token_ids(self, text: str) -> list[int]:
        """Ids of a text without marks."""
        return self.texts.ids(text)

    def add_word(self, word: str, num_vectors: int) -> tuple[int, ...]:
        """New ids, the same for all text encoders; the tables of vectors must be enlarged to hold them."""
        return self.texts.add(word, num_vectors)


def where(network: nn.Module) -> torch.device:
    """The device of a network."""
    return next(network.parameters()).device


def _short(state: torch.Tensor, longest: int, empty: torch.Tensor) -> int:
    """How many empty texts a text lacks."""
    return (longest - state.shape[0]) // empty.shape[0]


def _time_ids(geometry: Geometry) -> list[int]:
    """Sizes are (width, height) and (left, top) with us, and the other way round in SDXL."""
    pairs = (geometry.original_px, geometry.crop_px, geometry.target_px)
    return [number for across, down in pairs for number in (down, across)]
