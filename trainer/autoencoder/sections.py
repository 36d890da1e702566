"""The sections of the TOML that trains a VAE: strict, typed, each field said in one sentence."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from trainer.sections import Above, Count, Positive, Rate, Seed, Share

Momentum = Annotated[float, Meta(ge=0.0, lt=1.0)]


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[network]`: what is trained."""

    base: str = ""
    """A VAE to go on from: its folder, or a base model's folder or file; empty: a new one of the sizes below."""
    trained: Literal["all", "decoder"] = "all"
    """decoder: the encoder stays, so that latents mean what they meant to a base model that was trained on them."""
    block_out_channels: tuple[Positive, ...] = (24, 48, 64)
    """Channels of each level of a new VAE; each level but the first halves the picture's sides."""
    layers_per_block: Positive = 1
    """Residual blocks of each level; the decoder has one more."""
    latent_channels: Positive = 4
    """Numbers that a latent has at each place."""
    norm_num_groups: Positive = 8
    """Groups of the normalisation; each level's channels are a multiple of it."""
    mid_block_attention: bool = False
    """Attention on the lowest level, as in Stable Diffusion's VAE; slow at many places."""


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[data]`: which pictures."""

    folder: str = ""
    """Pictures in it and in folders below it, in the order of their paths."""
    resolution: Positive = 64
    """Side in pixels; of a picture that is not such a square the middle is cut out and resized."""
    held_out: Positive = 64
    """The last pictures are not trained on but measured."""


class LossConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[loss]`: how far off counts how much; pixels go from -1 to 1."""

    absolute: Rate = 1.0
    """Weight of the mean absolute error."""
    differences: Rate = 0.5
    """Weight of the mean absolute error of the differences of neighbouring pixels, across and down: edges."""
    squared: Rate = 0.5
    """Weight of the mean squared error."""
    kl: Rate = 1e-3
    """Weight of the divergence of the latents from the standard normal distribution, the mean over their numbers."""


class OptimizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[optimizer]`: AdamW, its rate and its momentum in one cycle (Smith and Topin 2018, arXiv 1708.07120)."""

    learning_rate: Above = 2e-3
    """The highest size of a step."""
    warmup: Share = 0.05
    """Share of the steps in which the rate rises; then it falls, both along a cosine."""
    start_divisor: Above = 25.0
    """The rate begins at learning_rate divided by this."""
    end_divisor: Above = 20.0
    """The rate ends at its beginning divided by this."""
    momentum_high: Momentum = 0.95
    """The first beta at the beginning and at the end."""
    momentum_low: Momentum = 0.85
    """The first beta where the rate is highest."""
    beta2: Momentum = 0.99
    """The second beta."""
    weight_decay: Rate = 0.0
    """Share of each weight, times the rate, taken off per step."""
    max_grad_norm: Rate = 1.0
    """Gradients longer than this are shortened to it; 0: never."""


class EmaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ema]`: the moving average of the weights, which becomes the result."""

    decay: Share = 0.99
    """How much of the average stays at each step; 0: the result is the last step's weights."""
    start: Count = 201
    """Up to this step the average is the weights themselves."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[train]`: how long and how."""

    steps: Positive = 3000
    """Optimizer updates."""
    batch_size: Positive = 16
    """Pictures of a step."""
    crop: Count = 32
    """Side in pixels of the pieces that are trained on at first, cut at multiples of a latent's side; 0: none."""
    whole_steps: Count = 400
    """The last steps, which see whole pictures."""
    mirror: bool = True
    """Mirror the pictures of every other step."""
    seed: Seed = 0
    """Decides the first weights, pictures, pieces and noise."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto: the first GPU, else the CPU."""
    threads: Count = 0
    """CPU threads; 0: torch's own choice. Another number may change the last bits of the result."""
    validate_every: Count = 200
    """Steps between measurements of the pictures held out; 0: at the end alone."""
    save_every_minutes: Rate = 10.0
    """Minutes between checkpoints; 0: only at the end and when interrupted."""
    keep_last: Positive = 2
    """Checkpoints kept."""


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output]`: where the result goes, and as what."""

    dir: str = "output"
    """Folder of this run alone; the VAE comes to lie in its `vae`."""
    dtype: Literal["fp16", "bf16", "fp32"] = "fp32"
    """Precision of the result's numbers."""
    scaling: Literal["auto", "measured", "kept"] = "auto"
    """scaling_factor: measured, 1 / the standard deviation of latents; kept, the base's; auto: kept if only the decoder
    is trained."""
    scaling_pictures: Positive = 512
    """The first pictures trained on, whose latents' means are measured for it."""
