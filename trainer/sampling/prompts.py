"""The prompts that pictures are made of, each with all that decides its picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from trainer.errors import ConfigError, InputError
from trainer.run_sections import SampleConfig
from trainer.sampling import prompt_file
from trainer.sampling.prompt_file import Said


@dataclass(frozen=True)
class Prompt:
    """One picture to be made."""

    text: str
    negative: str
    size_px: tuple[int, int]
    """(width, height)."""
    steps: int
    guidance: float
    seed: int
    draw: int = 0
    """Number of the noise among those of the seed: the row of a prompt under [sample]'s seed, 0 under its own."""


def prompts_of(
    sample: SampleConfig, fallback: tuple[str, ...], *, native_px: int, stride_px: int
) -> tuple[Prompt, ...]:
    """Those of [sample], of its prompt file, or the texts of `fallback`; [sample] says what they are silent about.

    Sides are multiples of `stride_px`, the family's pixels per latent.
    Raises InputError where the file is wrong, ConfigError where prompts are given twice.
    """
    if sample.prompts and sample.prompt_file:
        raise ConfigError("sample.prompts and sample.prompt_file are both set", hint="take one of them out")
    if sample.prompt_file:
        every = prompt_file.read(Path(sample.prompt_file))
    else:
        every = tuple(Said("sample.prompts", text) for text in sample.prompts or fallback)
    native = sample.size if all(sample.size) else (native_px, native_px)
    return tuple(_whole(said, sample, row=row, native=native, stride_px=stride_px) for row, said in enumerate(every))


def _whole(said: Said, sample: SampleConfig, *, row: int, native: tuple[int, int], stride_px: int) -> Prompt:
    return Prompt(
        text=said.text,
        negative=sample.negative if said.negative is None else said.negative,
        size_px=_size_px(said, native, stride_px=stride_px),
        steps=said.steps or sample.steps,
        guidance=sample.guidance if said.guidance is None else said.guidance,
        seed=sample.seed if said.seed is None else said.seed,
        # A prompt that names its seed has its picture wherever it stands in the file.
        draw=row if said.seed is None else 0,
    )


def _size_px(said: Said, native: tuple[int, int], *, stride_px: int) -> tuple[int, int]:
    width, height = said.width or native[0], said.height or native[1]
    if width % stride_px or height % stride_px:
        near = " x ".join(str(max(1, round(side / stride_px)) * stride_px) for side in (width, height))
        raise InputError(
            f"{said.place}: {width} x {height} px are no multiples of {stride_px}", hint=f"{near} is the nearest"
        )
    return width, height
