"""The sections of a run's TOML that say what is learnt: strict, typed, each field said in one sentence.

How the run goes is in `run_sections`.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

Count = Annotated[int, Meta(ge=0)]
Positive = Annotated[int, Meta(ge=1)]
Rate = Annotated[float, Meta(ge=0.0)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Above = Annotated[float, Meta(gt=0.0)]
Seed = Annotated[int, Meta(ge=0, le=2**53)]


class ModelConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[model]`: what is trained on."""

    family: str = ""
    """Kind of base model; empty: told by the base's own files, and the tiny one where there is no base."""
    base: str = ""
    """The base model: a .safetensors file, a folder in diffusers' layout, or `dsk-tiny`, which comes with the trainer;
    empty: random weights, by `seed`."""
    vae: str = ""
    """A VAE to use instead of the base's: a .safetensors file or a folder."""
    prediction_type: Literal["auto", "epsilon", "v_prediction", "rectified_flow"] = "auto"
    """What the base's network says, where its files do not tell or tell wrongly; auto: what they tell."""
    seed: Seed = 0
    """Decides the random weights where there is no base."""


class TextConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[text]`: how prompts are read."""

    split: Literal["tags", "sd-scripts"] = "tags"
    """Where prompts of more than 75 tokens are cut: tags, between tags, as viewers do; sd-scripts, every 75 tokens."""
    max_token_length: Literal[0, 75, 150, 225] = 0
    """Tokens read of a prompt; 0: all of them, and 225 with sd-scripts' split."""
    clip_skip: Count = 0
    """Layer of the text encoder, counted from its end, the last being 1; 0: the family's own."""


class DatasetConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[dataset]`: which pictures."""

    config: str = ""
    """The dataset TOML, as sd-scripts reads it; empty: dataset.toml, unless there is a train_dir."""
    train_dir: str = ""
    """Instead of a dataset TOML: a folder of folders `<repeats>_<class tokens>`."""
    reg_dir: str = ""
    """The same for regularization pictures, beside train_dir."""
    general: dict[str, Any] = {}
    """Keys of the dataset TOML, for folders and where the TOML itself is silent, e.g. shuffle_caption."""
    resolution: Count = 0
    """Used where the dataset TOML names no resolution; 0: the family's own."""
    cache: str = ""
    """Folder of cached latents and text states; empty: `cache` in the output folder."""
    cache_text: bool = True
    """Keep text states on disk where a picture has one text only; others are read anew each time."""
    encode_batch: Count = 0
    """Pictures that the VAE encodes at once; 0: one on the CPU, four on a GPU."""


class CaptionsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[captions]`: how tags are drawn, beyond what the dataset TOML can say."""

    tag_dropout: dict[str, Share] = {}
    """How often a tag is left out, by its name or a pattern with `*`; instead of the caption_tag_dropout_rate."""
    levels: tuple[tuple[Share, Share], ...] = ()
    """Pairs (how often, share of the tags kept): [[0.1, 0.0], [0.2, 0.5]] keeps no tag in every tenth draw."""
    common_tag_dropout: Rate = 0.0
    """Above 0, a tag's dropout rate is multiplied by (its count / that of the commonest tag) to this power."""


class RuleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[[adapter.rules]]`: other numbers for some modules; the last rule that matches a module decides each number."""

    match: str
    """Regular expression of whole module paths, by diffusers' names or those in LoRA files."""
    rank: Count | None = None
    """Width of the bottleneck; 0: the module is not trained."""
    alpha: Above | None = None
    """Instead of [adapter] alpha."""
    dropout: Share | None = None
    """Instead of [adapter] dropout."""
    learning_rate: Rate | None = None
    """Size of a step; 0: the module is not trained."""


class AdapterConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[adapter]`: what is trained."""

    name: str = "lora"
    """Kind: lora, loha, lokr, dora, oft; full, the network itself; textual_inversion, a word."""
    rank: Positive = 8
    """Width of the bottleneck."""
    alpha: Above = 8.0
    """The adapter's effect is multiplied by alpha / rank."""
    conv_rank: Count = 0
    """Width of the bottleneck of 3x3 convolutions; 0: they are not trained. With lora this makes a LoCon."""
    conv_alpha: Rate = 0.0
    """Alpha of the convolutions; 0: conv_rank."""
    targets: str | tuple[str, ...] = "auto"
    """auto: what sd-scripts trains, or everything for a full finetune. Or a preset of the family: attention,
    attention+mlp, kohya, full. Or regular expressions of whole module paths such as `unet\\..*attn2\\.to_k`."""
    text_targets: str | tuple[str, ...] = "none"
    """The same for the text encoders; none: they stay as they are."""
    rules: tuple[RuleConfig, ...] = ()
    """Other numbers for some modules: blocks by name, frozen ones, ranks and rates of their own."""
    dropout: Share = 0.0
    """Share of the bottleneck's values dropped in training."""
    rank_dropout: Share = 0.0
    """Share of ranks dropped in training."""
    module_dropout: Share = 0.0
    """How often a module is left out of a training step."""
    rank_stabilized: bool = False
    """Scale by alpha / sqrt(rank) instead of alpha / rank."""
    tucker: bool = False
    """Take convolutions apart into three factors; loha, lokr and lora."""
    factor: Annotated[int, Meta(ge=-1)] = -1
    """lokr: size of the smaller Kronecker factor; -1: near the square root."""
    full_matrix: bool = False
    """lokr: leave the larger factor whole."""
    constraint: Rate = 0.0
    """oft: how far the rotation may go; 0: without limit."""
    word: str = ""
    """textual_inversion: the word to learn, as captions write it."""
    num_vectors: Positive = 1
    """textual_inversion: how many tokens the word is worth."""
    init_text: str = ""
    """textual_inversion: a text to start from; empty: the word itself."""


class ObjectiveConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[objective]`: what the network learns to say."""

    name: str = "auto"
    """epsilon, v_prediction, rectified_flow; auto: what the base's network says, else epsilon."""
    zero_terminal_snr: bool | Literal["auto"] = "auto"
    """Whether the schedule ends in pure noise; auto: what the base's files tell, else no."""
    weighting: str = "none"
    """How much each noise level counts: none, min_snr, soft_min_snr, debiased, scale_v."""
    gamma: Above = 5.0
    """Of min_snr and soft_min_snr."""
    v_pred_like_loss: Rate = 0.0
    """With epsilon, adds this much of the loss weighted like v-prediction's."""


class TimestepsConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[timesteps]`: how noise levels are drawn."""

    distribution: Literal["uniform", "logit_normal", "edm"] = "uniform"
    """uniform; logit_normal, the middle more often (SD3); edm, ln sigma normally distributed (EDM)."""
    mean: float = 0.0
    """Of logit_normal and edm; EDM's own is -1.2."""
    std: Above = 1.0
    """Of logit_normal and edm; EDM's own is 1.2."""
    shift: Above = 1.0
    """Above 1, more noise: level' = shift level / (1 + (shift - 1) level)."""
    shift_by_resolution: bool = False
    """Multiply the shift by sqrt(pixels of the picture / pixels of the family's own resolution)."""
    min: Annotated[int, Meta(ge=0, le=999)] = 0
    """The cleanest timestep that is drawn."""
    max: Annotated[int, Meta(ge=1, le=1000)] = 1000
    """Timesteps below this are drawn."""


class NoiseConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[noise]`: noise beyond white."""

    offset: Rate = 0.0
    """Strength of noise that is the same all over a channel."""
    offset_random: bool = False
    """Draw the offset's strength anew each time, uniform from 0 to `offset`."""
    offset_adaptive: float = 0.0
    """Adds this much times the mean of each latent channel to the offset's strength."""
    pyramid_iterations: Count = 0
    """Layers of coarser and coarser noise; 0: none, 6 to 10 are usual."""
    pyramid_discount: Share = 0.3
    """Strength of each layer relative to the finer one."""
    input_perturbation: Rate = 0.0
    """Strength of extra noise in what the network sees, not in what it is to say."""
    input_perturbation_random: bool = False
    """Draw its strength anew each time, uniform from 0 to `input_perturbation`."""


class LossConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[loss]`: how far off counts how much."""

    kind: Literal["l2", "l1", "huber", "smooth_l1"] = "l2"
    """Squared, absolute, or squared near zero and absolute far off."""
    huber_c: Above = 0.1
    """Where huber and smooth_l1 turn from squared to absolute."""
    huber_schedule: Literal["constant", "exponential", "snr"] = "snr"
    """How huber_c follows the timestep."""
    huber_scale: Above = 1.0
    """Multiplies huber_c, with the schedules constant and exponential."""
    masked: bool = True
    """Pictures that have a mask count where it is white only."""
    prior_loss_weight: Rate = 1.0
    """Weight of regularization pictures."""
