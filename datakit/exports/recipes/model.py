"""What a training recipe says, in words that every trainer has a setting for."""

from __future__ import annotations

from typing import Literal

import msgspec

Architecture = Literal["sd15", "sdxl"]
Prediction = Literal["epsilon", "v_prediction"]
Method = Literal["lora", "finetune"]


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    """How to train one kind of model; the defaults are those of `dsk bake`, but for bf16, which large models need."""

    name: str
    """As asked for: `sdxl-lora`."""
    architecture: Architecture
    prediction: Prediction = "epsilon"
    zero_terminal_snr: bool = False
    """Whether the noise schedule ends in pure noise, as v-prediction models of the field were trained."""
    method: Method = "lora"
    base: str
    """The base model: a file, a folder, or a Hugging Face name."""
    output_name: str = "dsk"
    """File name of the result, without extension."""
    rank: int = 8
    alpha: float = 8.0
    learning_rate: float = 1e-4
    text_encoder_learning_rate: float = 0.0
    """0: the text encoders are not trained."""
    optimizer: str = "adamw"
    """`adamw`, `adamw8bit` or `adafactor`."""
    weight_decay: float = 0.01
    max_grad_norm: float = 1.0
    scheduler: str = "cosine"
    """`constant`, `cosine` or `linear`."""
    warmup_steps: int = 0
    steps: int = 0
    """Optimizer updates; 0: as many as `epochs` take."""
    epochs: int = 10
    batch_size: int = 1
    """As the dataset's settings have it."""
    gradient_accumulation: int = 1
    gradient_checkpointing: bool = True
    precision: Literal["bf16", "fp16", "fp32"] = "bf16"
    cache_latents: bool = True
    cache_text: bool = False
    """Whether outputs of text encoders are computed once: it saves memory, and rules out changing captions."""
    min_snr_gamma: float = 0.0
    """0: all timesteps count alike."""
    max_tokens: int = 225
    clip_skip: int = 1
    seed: int = 0
    save_every_epochs: int = 1
    prompts: tuple[str, ...] = ()
    """Of sample pictures."""
    negative: str = ""
    resolution_px: tuple[int, int] = (1024, 1024)
    """(width, height), as the dataset's settings have it."""
    vram_gb: int = 0
    """What it was fitted into; 0 where nobody asked."""
    advice: tuple[str, ...] = ()
    """What does not go together with the dataset's settings, for people."""
