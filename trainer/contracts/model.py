"""A family of base models: how one is recognised, loaded, asked, and saved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

if TYPE_CHECKING:
    import torch

Condition = Mapping[str, "torch.Tensor"]
"""What the network is told beside the latents; keys and shapes are the family's own matter."""
Layout = Literal["single-file", "diffusers"]
Precision = Literal["fp32", "bf16"]


@dataclass(frozen=True)
class Geometry:
    """Where a picture's pixels come from: what size-conditioned families are told."""

    original_px: tuple[int, int]
    crop_px: tuple[int, int]
    """Left and top of the crop, in pixels of the resized picture."""
    target_px: tuple[int, int]


@dataclass(frozen=True)
class Prediction:
    """What a base model's network says, as far as its files tell."""

    objective: str | None = None
    """Name of an objective: epsilon, v_prediction, rectified_flow; None where the files are silent."""
    zero_terminal_snr: bool | None = None
    """Whether it was trained on the schedule that ends in pure noise; None where the files are silent."""
    evidence: str = ""
    """What told it, for messages: "the key v_pred"."""


@dataclass(frozen=True)
class TextRule:
    """How prompts become text states."""

    split: Literal["tags", "sd-scripts"] = "tags"
    """tags: rows of 75 tokens end at commas, each row keeps its marks (77 states a row), as at inference.
    sd-scripts: cut every 75 tokens, filled up to `max_tokens`, one pair of marks in all (75 n + 2 states)."""
    max_tokens: int = 0
    """Tokens that are read, 75, 150 or 225; with `tags` 0 means all of them."""
    clip_skip: int = 0
    """Layer of the text encoder, counted from its end, 1 the last; 0: the family's own choice."""


@dataclass(frozen=True)
class BaseHeader:
    """What is known of a base model without reading its weights."""

    path: Path
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Tensors of a single file; empty for a folder."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    """Of a single file."""
    configs: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """JSON files of a folder by their path in it, e.g. `unet/config.json`."""


@dataclass(frozen=True)
class BaseSource:
    """Where a family's weights come from, and where and how they shall be."""

    header: BaseHeader | None
    """A single .safetensors file, or a folder in diffusers' layout; None for random weights."""
    device: str = "cpu"
    """Where the model works; its networks are loaded into main memory, and come there by `Model.place`."""
    seed: int = 0
    """Decides the random weights; unused with a base."""
    vae: Path | None = None
    """A VAE to use instead of the base's: a .safetensors file or a folder."""
    text: TextRule = TextRule()
    weights: Precision = "fp32"
    """How the numbers of the network are held; the VAE's are always float32."""
    text_weights: Precision = "fp32"
    """The same for the text encoders."""


@dataclass(frozen=True)
class SaveAs:
    """How a whole model is written."""

    layout: Layout
    dtype: torch.dtype
    metadata: Mapping[str, str]
    """Of a single file's header."""
    prediction: Prediction
    """What the network says now; told in the file as its readers expect it."""


class Model(Protocol):
    """A loaded base model. Its weights are frozen; an adapter may be attached to its parts.

    It answers wherever its networks lie and however their weights are held: arguments are brought to them, answers
    have the device and the type of the arguments. Those of `encode_text` lie where it was said, and are float32
    outside of autocast.
    """

    parts: Mapping[str, torch.nn.Module]
    """Trainable parts by name: unet, text_encoder, text_encoder_2."""
    token_embeddings: Mapping[str, str]
    """Text part -> path of its table of token vectors in it."""
    device: torch.device
    """Where training happens."""
    latent_channels: int

    def place(self, part: str, device: torch.device | str) -> torch.device:
        """Moves a network, `vae` or one of the parts, and tells where it lay; its parameters stay the same objects."""
        ...

    def digest(self) -> str:
        """Hex digest of all weights and settings."""
        ...

    def vae_digest(self) -> str:
        """Hex digest of all that decides a picture's latents."""
        ...

    def text_digest(self) -> str:
        """Hex digest of all that decides a prompt's text states, their precision included."""
        ...

    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and standard deviation, float32, of the scaled latents of pixels [B, 3, h, w] in -1..1."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels [B, 3, h, w] in -1..1 of scaled latents [B, C, H, W]."""
        ...

    def encode_text(self, prompts: Sequence[str]) -> list[dict[str, torch.Tensor]]:
        """What the text encoders say of each prompt, alone, without a batch axis; gradients flow where they may."""
        ...

    def assemble(
        self, texts: Sequence[Condition], geometry: Sequence[Geometry], *, empty: Condition | None = None
    ) -> dict[str, torch.Tensor]:
        """A batch's condition from texts of `encode_text` and where pixels come from.

        Shorter texts are filled up with those of an `empty` prompt, which is read where it is not given.
        """
        ...

    def predict(self, noisy: torch.Tensor, times: torch.Tensor, *, condition: Condition) -> torch.Tensor:
        """The network's output [B, C, H, W] for noisy latents at times [B] of the noise path, 0 to 1000."""
        ...

    def token_ids(self, text: str) -> list[int]:
        """Ids of a text without marks."""
        ...

    def add_word(self, word: str, num_vectors: int) -> tuple[int, ...]:
        """New ids, past the vocabulary, that stand for the word in every prompt from now on."""
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
    text_targets: Mapping[str, tuple[str, ...]]
    """The same for the text encoders."""
    lora_prefixes: Mapping[str, str]
    """Part name -> first word of its keys in a LoRA file, e.g. unet -> lora_unet."""
    own_name: Callable[[str, str], str]
    """(part, module path) -> the path's name in LoRA files, still with dots: SDXL's UNet goes by the names of its
    checkpoint there, `input_blocks.4.1.proj_in`. Idempotent users may match rules against both names."""
    embedding_keys: Mapping[str, str]
    """Text part -> key of its vectors in an embedding file, e.g. text_encoder -> clip_l."""
    base_model_version: str
    """`ss_base_model_version`, which tools read to tell the kinds apart."""
    architecture: str
    """`modelspec.architecture` of a checkpoint; an adapter adds `/lora`."""
    implementation: str
    """`modelspec.implementation`."""
    layouts: tuple[Layout, ...]
    """How its models can be written, the usual one first."""
    needs_base: bool
    """Whether there are no random weights of it."""
    recognise: Callable[[BaseHeader], Prediction | None]
    """What a base's network says; None where the base is not of this family. Reads nothing."""
    load: Callable[[BaseSource], Model]
    save: Callable[[Any, Path, SaveAs], None]
    """Writes the model (one that `load` made) as a file or folder, whole or not at all. Raises WriteError."""
