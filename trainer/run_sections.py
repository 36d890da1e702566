"""The sections of a run's TOML that say how it goes: updates, memory, saving, looking, results."""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from trainer.sections import Above, Count, Positive, Rate, Seed, Share

AutoShare = Share | Literal["auto"]
AutoSwitch = bool | Literal["auto"]


class OptimizerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[optimizer]`."""

    name: str = "auto"
    """Kind of optimizer, by its name in the table (`python -m trainer optimizers`), or an import path such as
    `package.module.Class`; auto: adamw, or what [memory] vram calls for."""
    arguments: dict[str, Any] = {}
    """Passed to it as they are, e.g. {betas = [0.9, 0.99]}."""
    learning_rate: Rate = 0.0
    """Size of a step; 0: the optimizer's own, 1e-4 for adamw and 1 for those that find it themselves."""
    text_encoder_rate: Rate = 0.0
    """Of the text encoders where they are trained; 0: learning_rate."""
    text_encoder_2_rate: Rate = 0.0
    """Of SDXL's second one; 0: text_encoder_rate."""
    lora_plus: Rate = 0.0
    """LoRA+: the up matrices learn this many times faster; 0: as fast. 16 is its authors' choice."""
    weight_decay: Rate = 0.01
    """Share of each weight, times the learning rate, taken off per step."""
    max_grad_norm: Rate = 1.0
    """Gradients longer than this are shortened to it; 0: never."""


class ScheduleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[schedule]`: how the learning rate goes over the run."""

    name: Literal["constant", "linear", "cosine", "cosine_restarts", "polynomial", "rex"] = "constant"
    """Its shape after the warm-up."""
    warmup: Rate = 0.0
    """Steps in which it rises from 0; below 1: this share of all steps."""
    cycles: Positive = 1
    """Of cosine_restarts: how often it starts anew."""
    power: Above = 2.0
    """Of polynomial."""
    end: Share = 0.0
    """What it falls to, as a share of the learning rate."""


class MemoryConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[memory]`: what is held how, so that it fits. `auto` is the plan's choice, or that of no plan."""

    vram: Literal[0, 8, 12, 16, 24, 32] = 0
    """GiB of the GPU to plan for; 0: no plan, everything float32 and nothing put aside."""
    weights: Literal["auto", "fp32", "bf16", "fp8"] = "auto"
    """How the network's weights are held; fp8 only where they are not trained. Trained bf16 weights are rounded
    stochastically."""
    text_weights: Literal["auto", "fp32", "bf16"] = "auto"
    """The same for the text encoders."""
    adapter_weights: Literal["auto", "fp32", "bf16"] = "auto"
    """The same for the adapter; bf16 is rounded stochastically."""
    checkpointing: AutoSwitch = "auto"
    """Forget activations and make them again on the way back: a third less speed, most of the memory."""
    offload: AutoShare = "auto"
    """Share of the network's frozen weights that wait in main memory and come to the GPU when they are used."""
    fused_backward: AutoSwitch = "auto"
    """Update each weight as soon as its gradient is known, and forget the gradient; without gradient accumulation."""
    channels_last: AutoSwitch = "auto"
    """Order of the network's numbers that convolutions on GPUs like; auto: on GPUs."""
    sharded: bool = False
    """full, with several processes: each holds a piece of every weight, gradient and optimizer state (FSDP)."""
    compile: bool = False
    """Let torch.compile make the network faster; the first steps of each size take minutes."""


class EmaConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[ema]`: a moving average of what is trained, which becomes the result."""

    decay: Share = 0.0
    """How much of the average stays at each step, e.g. 0.999; 0: no average."""
    warmup: bool = True
    """Let the decay grow as (1 + step) / (10 + step) up to `decay`, so that the beginning is forgotten."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[train]`: how long and how."""

    steps: Count = 0
    """Optimizer updates; 0: as many as `epochs` take."""
    epochs: Count = 0
    """Passes over all repeats; 0 with steps 0: ten."""
    batch_size: Count = 0
    """Used where the dataset TOML names no batch_size; 0: what [memory] vram calls for, else 1."""
    gradient_accumulation: Positive = 1
    """Batches per optimizer update."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """Arithmetic of the network; auto: fp32, or bf16 with [memory] vram."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """Where it runs; auto: the first GPU, else the CPU."""
    threads: Count = 0
    """CPU threads; 0: torch's own choice. Another number may change the last bits of the result."""
    seed: Seed = 0
    """Decides order, noise, timesteps, caption shuffling and the adapter's first weights."""
    save_every: Count = 0
    """Steps between checkpoints; 0: only at the end and when interrupted, unless the next two say more."""
    save_every_epochs: Count = 0
    """Epochs between checkpoints."""
    save_every_minutes: Rate = 0.0
    """Minutes between checkpoints."""
    keep_last: Positive = 2
    """Checkpoints kept."""
    keep_results: bool = False
    """With each checkpoint, write the result so far as `<name>-step-<number>`; these are never removed."""
    divergence: Rate = 4.0
    """Stop where the last two means of 50 steps are both this many times the lowest mean of 500 before; 0: never."""


class ValidationConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[validation]`: the loss at fixed timesteps and noise, of pictures held out and of some that are trained on."""

    split: Share = 0.0
    """Share of the pictures held out, where the dataset TOML names no validation_split."""
    every: Count = 0
    """Steps between measurements; 0: at the beginning and at the end, where pictures are held out."""
    timesteps: Positive = 8
    """Noise levels that each picture is asked at."""
    images: Positive = 64
    """The most pictures asked, of those held out and of those trained on."""
    seed: Seed = 0
    """Decides noise and which pictures are asked, whatever the run's own seed."""


class SampleConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[sample]`: the pictures made before, during and after."""

    prompts: tuple[str, ...] = ()
    """One row of the grid each; empty: those of prompt_file, else the first captions of the dataset."""
    prompt_file: str = ""
    """A text file with a prompt a line, and sd-scripts' options behind it: --n, --w, --h, --s, --l, --d."""
    negative: str = ""
    """What the pictures shall not be."""
    steps: Positive = 20
    """Sampler steps."""
    guidance: Rate = 5.0
    """Classifier-free guidance scale; 1 is none."""
    guidance_rescale: Share = 0.0
    """Share of the guided output brought back to the contrast it had without; 0.7 is usual with zero terminal SNR."""
    seed: Seed = 1
    """Decides the starting noise, per prompt."""
    size: tuple[Count, Count] = (0, 0)
    """Width and height in pixels; 0: the family's own."""
    every: Count = 0
    """Steps between samples, which grow into one grid; 0: only before and after, unless every_epochs says more."""
    every_epochs: Count = 0
    """Epochs between samples."""


class LogConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[log]`: where numbers and pictures go beside the files of the run."""

    tensorboard: bool = False
    """Write event files into `tensorboard` below the output folder."""
    wandb: str = ""
    """Name of a Weights & Biases project to log to; empty: none."""


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output]`: where the results go."""

    dir: str = "output"
    """Folder of this run alone."""
    name: str = "lora"
    """File name of the result, without `.safetensors`."""
    dtype: Literal["fp16", "bf16", "fp32"] = "fp16"
    """Precision of the result's numbers."""
    layout: Literal["auto", "single-file", "diffusers"] = "auto"
    """Of a full finetune: one checkpoint file, or a folder in diffusers' layout; auto: a file where there is one."""
    no_metadata: bool = False
    """Leave out of the result's header all that readers do not need: paths, tags, settings."""
