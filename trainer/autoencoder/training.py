"""The steps of training a VAE: what a step sees follows from the seed and the steps before it alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch

from trainer.autoencoder import cycle, losses
from trainer.autoencoder.config import VaeConfig
from trainer.autoencoder.pictures import as_floats
from trainer.errors import DivergedError, StateError

_MOMENTS = ("exp_avg", "exp_avg_sq")

Tensors = dict[str, dict[str, torch.Tensor]]


@dataclass(frozen=True)
class Step:
    """What one update came to."""

    number: int
    """Counted from 1."""
    loss: float
    absolute: float
    kl: float
    rate: float
    norm: float
    """Length of the gradient before it was shortened."""


class Training:
    """A VAE that learns, on its device, and all that it needs to go on."""

    def __init__(self, vae: Any, draws: torch.Generator, *, pictures: torch.Tensor, config: VaeConfig) -> None:
        """`pictures` are uint8 [N, 3, H, W] in main memory; `draws` makes all random numbers."""
        self.vae, self.config, self.done = vae.to(memory_format=torch.channels_last), config, 0
        self._draws, self._pictures = draws, pictures
        self._stride_px = 2 ** (len(vae.config["block_out_channels"]) - 1)
        self._learning = {name: weight for name, weight in vae.named_parameters() if weight.requires_grad}
        rule = config.optimizer
        self._optimizer = torch.optim.AdamW(
            self._learning.values(),
            rule.learning_rate,
            betas=(rule.momentum_high, rule.beta2),
            weight_decay=rule.weight_decay,
        )
        self._average = {name: tensor.clone() for name, tensor in vae.state_dict().items()}

    def step(self) -> Step:
        """One update. Raises DivergedError where loss or gradient is no number; nothing is updated then."""
        rule, total = self.config.optimizer, self.config.train.steps
        rate, momentum = cycle.at(self.done, total, rule)
        for group in self._optimizer.param_groups:
            group["lr"], group["betas"] = rate, (momentum, rule.beta2)
        pixels = self._batch()
        with torch.set_grad_enabled(self.config.network.trained == "all"):
            latents = self.vae.encode(pixels).latent_dist
            drawn = latents.sample(self._draws)
        found = losses.of(pixels, self.vae.decode(drawn).sample, latents=latents, rule=self.config.loss)
        found.total.backward()  # type: ignore[no-untyped-call]
        limit = rule.max_grad_norm or math.inf
        norm = float(torch.nn.utils.clip_grad_norm_(self._learning.values(), limit))
        loss = found.total.item()
        if not (math.isfinite(loss) and math.isfinite(norm)):
            raise DivergedError(
                f"the loss is no number at step {self.done + 1} (loss {loss}, gradient {norm})",
                hint="lower optimizer.learning_rate, and begin anew with --restart",
            )
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.done += 1
        self._follow()
        return Step(self.done, loss, found.absolute.item(), found.kl.item(), rate, norm)

    def state(self) -> Tensors:
        """All that the next steps depend on; not copied."""
        moments = {
            f"{name}.{moment}": self._optimizer.state[weight][moment]
            for name, weight in self._learning.items()
            for moment in (_MOMENTS if self.done else ())
        }
        return {
            "weights": self.vae.state_dict(),
            "average": self._average,
            "optimizer": moments,
            "draws": {"state": self._draws.get_state()},
        }

    @torch.no_grad()
    def load(self, saved: Mapping[str, Mapping[str, torch.Tensor]], *, done: int) -> None:
        """Takes over a state after `done` steps. Raises StateError where it is another network's."""
        if done:
            for weight in self._learning.values():
                # In the weights' own order of numbers: another one would change the last bits.
                moments = {moment: torch.zeros_like(weight) for moment in _MOMENTS}
                self._optimizer.state[weight] = {"step": torch.tensor(float(done)), **moments}
        self.done = done
        for part, own in self.state().items():
            given = saved.get(part, {})
            if {name: tensor.shape for name, tensor in own.items()} != {name: t.shape for name, t in given.items()}:
                raise StateError(f"the checkpoint's {part} is of another network", hint="begin anew with --restart")
            for name, tensor in own.items():
                tensor.copy_(given[name])
        self._draws.set_state(saved["draws"]["state"])

    def take_average(self) -> Any:
        """Puts the average in place of the weights; the VAE. Nothing is trained after it."""
        self.vae.load_state_dict(self._average)
        return self.vae

    def _batch(self) -> torch.Tensor:
        """The next pictures, or pieces of them, -1..1 [B, 3, H, W] on the device."""
        train, side_px = self.config.train, self._pictures.shape[-1]
        chosen = torch.randint(0, len(self._pictures), (train.batch_size,), generator=self._draws)
        pixels = as_floats(self._pictures[chosen])
        if train.mirror and self.done % 2:
            pixels = pixels.flip(-1)
        if train.crop and self.done < train.steps - train.whole_steps:
            places = (side_px - train.crop) // self._stride_px + 1
            top, left = (
                self._stride_px * int(torch.randint(0, places, (), generator=self._draws)) for _ in ("top", "left")
            )
            pixels = pixels[..., top : top + train.crop, left : left + train.crop]
        return pixels.to(self.vae.device).contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def _follow(self) -> None:
        rule = self.config.ema
        for name, tensor in self.vae.state_dict().items():
            if self.done > rule.start and rule.decay:
                self._average[name].lerp_(tensor, 1.0 - rule.decay)
            else:
                self._average[name].copy_(tensor)
