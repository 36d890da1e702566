"""What a family, an objective and an adapter must offer; the only words in which they meet.

Shapes: B batch, C latent channels, H and W latent height and width. Sizes in pixels are (width, height).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Geometry:
    """Where a picture's pixels come from: what size-conditioned families are told."""

    original_px: tuple[int, int]
    crop_px: tuple[int, int]
    """Left and top of the crop, in pixels of the resized picture."""
    target_px: tuple[int, int]


class Model(Protocol):
    """A loaded base model. Its weights are frozen; an adapter may be attached to its parts."""

    parts: Mapping[str, torch.nn.Module]
    """Trainable parts by name, e.g. `unet`."""

    device: torch.device
    latent_channels: int

    def digest(self) -> str:
        """Hex digest of all weights and settings."""
        ...

    def vae_digest(self) -> str:
        """Hex digest of all that decides a picture's latents."""
        ...

    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation of the scaled latents of pixels [B, 3, h, w] in -1..1."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, h, w] in -1..1 of scaled latents [B, C, H, W]."""
        ...

    def condition(self, prompts: Sequence[str], geometry: Sequence[Geometry]) -> Mapping[str, torch.Tensor]:
        """What the network is told about each picture; its keys and shapes are the family's own matter."""
        ...

    def predict(
        self, noisy: torch.Tensor, times: torch.Tensor, *, condition: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """The network's output [B, C, H, W] for noisy latents at times [B] of the objective."""
        ...


@dataclass(frozen=True)
class Family:
    """A kind of base model."""

    name: str
    latent_stride_px: int
    """Pixels per latent, along each side."""
    native_resolution_px: int
    targets: Mapping[str, tuple[str, ...]]
    """Preset name -> regular expressions; a module is trained whose whole `<part>.<path>` matches one."""
    lora_prefixes: Mapping[str, str]
    """Part name -> first word of its keys in a LoRA file, e.g. unet -> lora_unet."""
    base_model_version: str
    """`ss_base_model_version`, which tools read to tell the kinds apart."""
    architecture: str
    """`modelspec.architecture` of a LoRA for this family."""
    load: Callable[[BaseSource], Model]


@dataclass(frozen=True)
class BaseSource:
    """Where a family's weights come from and where they shall be."""

    folder: Path | None
    """A folder of config.json and .safetensors files; None for random weights."""
    seed: int
    """Decides the random weights; unused with a folder."""
    device: str
    prediction_type: str
    """What the objective expects of the network; a folder that says otherwise is refused."""


class Target(Protocol):
    """What the network should say, from x0, eps [B, C, H, W] and times [B]."""

    def __call__(self, clean: torch.Tensor, noise: torch.Tensor, *, times: torch.Tensor) -> torch.Tensor:
        """[B, C, H, W]."""
        ...


class Split(Protocol):
    """The network's idea of (x0, eps), from its output, x_t and times [B]."""

    def __call__(
        self, output: torch.Tensor, noisy: torch.Tensor, *, times: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """[B, C, H, W] each."""
        ...


@dataclass(frozen=True)
class Objective:
    """What the network learns to say, on the path x_t = alpha(t) x0 + sigma(t) eps."""

    name: str
    prediction_type: str
    """`modelspec.prediction_type`."""
    draw_times: Callable[[torch.Tensor], torch.Tensor]
    """Times [B] from uniform numbers [B] in [0, 1)."""
    coefficients: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]]
    """alpha and sigma [B], float64, of times [B]."""
    target: Target
    split: Split
    weight: Callable[[torch.Tensor], torch.Tensor]
    """Loss weight [B] of times [B]."""
    sampling_times: Callable[[int], torch.Tensor]
    """`n` descending times from which a sampler steps down to clean latents."""


@dataclass(frozen=True)
class AdapterSettings:
    """How large an adapter is."""

    rank: int
    alpha: float
    seed: int


class Attached(Protocol):
    """An adapter on a model's parts. Tensors are named `<part>.<module path>.<suffix>`."""

    def parameters(self) -> Iterator[torch.nn.Parameter]:
        """What the optimizer changes, in a fixed order."""
        ...

    def state(self) -> dict[str, torch.Tensor]:
        """Every tensor of the adapter, as it is now."""
        ...

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Takes over the tensors of `state`. Raises LoraFileError where names or shapes do not fit."""
        ...

    def enable(self, on: bool) -> None:
        """Switches the adapter's effect on or off."""
        ...

    def merge(self) -> None:
        """Adds the adapter's effect to the base weights and takes the adapter off; cannot be undone."""
        ...


class Attach(Protocol):
    """Wraps, in place, each module whose `<part>.<path>` matches one of the regular expressions."""

    def __call__(
        self, parts: Mapping[str, torch.nn.Module], patterns: Sequence[str], *, settings: AdapterSettings
    ) -> Attached:
        """The adapter, its effect nothing so far. Raises ConfigError where a pattern fits no module."""
        ...


@dataclass(frozen=True)
class Adapter:
    """A kind of small trainable addition to a frozen network."""

    name: str
    network_module: str
    """`ss_network_module`, which tools read to tell the kinds apart."""
    attach: Attach
