"""Trains one arm in this process and paints what is asked for, with the trainer's own parts.

In this process, since importing them takes longer than a run's training: one process does all runs, one after the
other. What differs from `python -m trainer run` is what is left out: checkpoints, the result's file, the grid.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image

from trainer import assembling, filling, loop, plan, recipe
from trainer.assembling import Assembled
from trainer.contracts.adapter import parameters_of
from trainer.contracts.model import Model
from trainer.contracts.objective import Weighting
from trainer.memory import applying
from trainer.plan import Plan
from trainer.progress import QuietReporter
from trainer.recipe import Recipe
from trainer.sampling import batches, ddim
from trainer.sampling.prompts import Prompt
from trainer.signals import never

from .contract import Arm, Ask, Baking, Painting, Sample
from .writing import write

_AT_ONCE = 24


@dataclass(frozen=True)
class Learnt:
    """A trained arm, in memory."""

    plan: Plan
    model: Model
    recipe: Recipe
    losses: tuple[float, ...]
    parameters: int
    """That were trained."""


def _bare_min_snr(snr: torch.Tensor, *, prediction_type: str, gamma: float) -> torch.Tensor:
    """min(snr, gamma) / (snr + 1), which is 0 where zero terminal SNR ends (arXiv 2303.09556, for v)."""
    return snr.double().clamp(max=gamma) / (snr.double() + 1.0)


WEIGHTINGS = {"bare_min_snr": Weighting("bare_min_snr", frozenset({"v"}), _bare_min_snr)}
"""As formulas have them; the trainer's own never forget the noisiest timesteps."""


def learn(folder: Path, arm: Arm, *, baking: Baking, painting: Painting, seed: int) -> Learnt:
    """Trains the arm with this seed in an empty folder. Raises any TrainerError."""
    samples = list(arm.samples(seed))
    if arm.class_prompts:
        samples += _class_pictures(folder / "base", arm, samples, baking=baking, painting=painting, seed=seed)
    made = plan.make(write(folder / "arm", samples, arm, baking=baking, seed=seed))
    parts = assembling.assemble(made)
    try:
        if arm.weighting:
            changed = replace(parts.oven.recipe, weighting=WEIGHTINGS[arm.weighting])
            parts = replace(parts, oven=replace(parts.oven, recipe=changed))
        losses = _train(made, parts) if arm.trains else ()
    finally:
        parts.oven.latents.close()
    oven = parts.oven
    counted = sum(parameter.numel() for parameter in parameters_of(oven.adapter)) if arm.trains else 0
    return Learnt(made, oven.model, oven.recipe, losses, counted)


def _train(made: Plan, parts: Assembled) -> tuple[float, ...]:
    filling.fill(made, parts, reporter=QuietReporter(), stop=never)
    applying.prepare(parts.oven.model, made.config)
    return tuple(step.loss for step in loop.train(parts.oven, done=0, total=made.steps, stop=never))


def _class_pictures(
    folder: Path, arm: Arm, samples: Sequence[Sample], *, baking: Baking, painting: Painting, seed: int
) -> list[Sample]:
    """What the base makes of the class prompts, before anything is trained."""
    bare = Arm(arm.name, arm.words, arm.samples)
    made = plan.make(write(folder, samples, bare, baking=baking, seed=seed))
    learnt = Learnt(made, assembling.load_model(made), recipe.make(made), (), 0)
    asks = [Ask("class", prompt) for prompt in arm.class_prompts]
    images = paint(learnt, asks, painting=painting, seed=1_000 + seed)
    return [Sample(image, ask.prompt, is_class=True) for image, ask in zip(images, asks, strict=True)]


def paint(learnt: Learnt, asks: Sequence[Ask], *, painting: Painting, seed: int) -> list[Image.Image]:
    """A picture for each ask, from the noise of (seed, its number): the same in every arm."""
    made, recipe = learnt.plan, learnt.recipe
    size_px = (made.family.native_resolution_px,) * 2
    prompts = [
        Prompt(ask.prompt, "", size_px, steps=painting.steps, guidance=painting.guidance, seed=seed, draw=place)
        for place, ask in enumerate(asks)
    ]
    brush = batches.Brush(
        learnt.model, recipe.objective, recipe.path, made.family.latent_stride_px, guidance_rescale=painting.rescale
    )
    texts = batches.read(learnt.model, prompts)
    images: dict[int, Image.Image] = {}
    for places in batches.alike(prompts, texts, size=_AT_ONCE):
        pixels = batches.pixels(brush, [prompts[place] for place in places], texts)
        images.update((place, ddim.to_picture(one)) for place, one in zip(places, pixels, strict=True))
    return [images[place] for place in range(len(asks))]


@torch.no_grad()
def softened(model: Model, images: Sequence[Image.Image]) -> list[Image.Image]:
    """The pictures as the base's VAE gives them back: as sharp as anything that the base can paint."""
    made = []
    for image in images:
        pixels = torch.frombuffer(bytearray(image.convert("RGB").tobytes()), dtype=torch.uint8)
        shaped = pixels.reshape(image.height, image.width, 3).permute(2, 0, 1).float() / 127.5 - 1.0
        mean, _ = model.encode_pixels(shaped[None])
        made.append(ddim.to_picture(model.decode(mean)[0]))
    return made
