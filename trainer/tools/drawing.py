"""Single pictures without and with what was trained, many of them: each a PNG that tells what made it.

A picture follows from its job and the settings, and keeps their digest: one that is there with the same digest is not
made again, so that a run which was stopped goes on, and a longer one begins where a shorter one ended.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch
from PIL import Image
from safetensors import SafetensorError

from trainer import assembling, bases, products, recipe
from trainer.atomic import make_folder, remove_leftovers, write_file
from trainer.contracts.adapter import Attached
from trainer.contracts.model import Model
from trainer.errors import ConfigError, InterruptedRun, LoraFileError
from trainer.lock import exclusive
from trainer.plan import Plan
from trainer.registry import ADAPTERS
from trainer.sampling import batches, ddim, grid
from trainer.sampling.batches import Brush
from trainer.sampling.prompts import Prompt
from trainer.sheets import base_of
from trainer.tools.jobs import Errand, Job, check

_DIGEST = "job"
"""Name of the digest among a picture's texts."""


@dataclass(frozen=True)
class Drawn:
    """What a folder holds now."""

    new: int
    kept: int


def draw(
    plan: Plan, jobs: Sequence[Job], errand: Errand, *, stop: Callable[[], bool], tell: Callable[[int], None]
) -> Drawn:
    """Makes the pictures that are not there; `tell` hears how many more are there now.

    Raises ConfigError where a job asks for what cannot be, LoraFileError, BaseModelError, InterruptedRun where `stop`
    says so, StateError where another process draws into the folder, WriteError.
    """
    check(jobs, errand)
    if _is_checkpoint(plan):
        for job in jobs:
            _refuse_strength(job.scale, "a checkpoint")
    make_folder(errand.out)
    with exclusive(errand.out):
        remove_leftovers(errand.out, "*.png")
        facts = _facts(plan, jobs, errand)
        todo = [job for job in jobs if not _is_there(errand.out / f"{job.name}.png", facts[job.name])]
        done = 0
        tell(len(jobs) - len(todo))
        for some, made in _pictures(plan, todo, errand):
            for job, picture in zip(some, made, strict=True):
                content = grid.png(picture, list(facts[job.name].items()))
                write_file(errand.out / f"{job.name}.png", content, durable=False)
            done += len(some)
            tell(len(some))
            if stop() and done < len(todo):
                raise InterruptedRun(f"stopped, {len(todo) - done} pictures to go", hint="the same command goes on")
    return Drawn(len(todo), len(jobs) - len(todo))


def prompt_of(plan: Plan, job: Job) -> Prompt:
    """The picture that a job stands for, in the size and steps of [sample]."""
    sample = plan.config.sample
    return Prompt(job.prompt, job.negative, plan.sample_size_px, sample.steps, sample.guidance, job.seed)


def _pictures(plan: Plan, todo: Sequence[Job], errand: Errand) -> Iterator[tuple[list[Job], list[Image.Image]]]:
    """Batches of jobs and their pictures: those without the LoRA first, then one strength after the other."""
    if not todo:
        return
    model: Model | None = None
    adapter: Attached | None = None
    whole: list[list[torch.Tensor]] = []
    for scale in sorted({job.scale for job in todo}, key=lambda scale: (scale != 0, scale)):
        if scale and _is_checkpoint(plan):
            model = None  # before the other takes as much memory
            assert errand.lora is not None
            model = assembling.load_model(replace(plan, base=bases.read_header(errand.lora)))
        elif model is None:
            model = assembling.load_model(plan)
        if scale and adapter is None and not _is_checkpoint(plan):
            assert errand.lora is not None
            adapter = products.attached(plan, errand.lora, model=model)
            whole = [[parameter.detach().clone() for parameter in group.parameters] for group in adapter.groups()]
        if adapter is not None:
            _set_strength(adapter, whole, scale)
        yield from _of_one_strength(plan, model, [job for job in todo if job.scale == scale], size=errand.batch)


def _of_one_strength(
    plan: Plan, model: Model, jobs: Sequence[Job], *, size: int
) -> Iterator[tuple[list[Job], list[Image.Image]]]:
    learnt = recipe.make(plan)
    rescale = plan.config.sample.guidance_rescale
    brush = Brush(model, learnt.objective, learnt.path, plan.family.latent_stride_px, rescale)
    prompts = [prompt_of(plan, job) for job in jobs]
    texts = batches.read(model, prompts)
    for places in batches.alike(prompts, texts, size=size or batches.usual_size(plan.sample_size_px)):
        made = batches.pixels(brush, [prompts[place] for place in places], texts)
        yield [jobs[place] for place in places], [ddim.to_picture(one) for one in made]


def _set_strength(adapter: Attached, whole: Sequence[Sequence[torch.Tensor]], scale: float) -> None:
    """Makes an adapter's effect `scale` times as strong as it was trained; it is proportional to its last factors."""
    groups = adapter.groups()
    if not {group.role for group in groups} <= {"down", "up"}:
        _refuse_strength(scale, "this kind of adapter")
    with torch.no_grad():
        for group, trained in zip(groups, whole, strict=True):
            for parameter, value in zip(group.parameters, trained, strict=True):
                parameter.copy_(value * scale if group.role == "up" else value)


def _refuse_strength(scale: float, what: str) -> None:
    if scale not in (0.0, 1.0):
        raise ConfigError(f"the scale {scale:g}: {what} is there or not", hint="write 1, or 0 for without it")


def _is_checkpoint(plan: Plan) -> bool:
    return ADAPTERS.load(plan.config.adapter.name, field="adapter.name").product == "checkpoint"


def _facts(plan: Plan, jobs: Sequence[Job], errand: Errand) -> dict[str, dict[str, str]]:
    """Job -> what its PNG says of it, with the digest of all that decides it."""
    sample = plan.config.sample
    shared: dict[str, object] = {
        "base": base_of(plan),
        "steps": sample.steps,
        "guidance": f"{sample.guidance:g}",
        "guidance_rescale": f"{sample.guidance_rescale:g}",
        "objective": plan.objective,
        "zero_terminal_snr": plan.zero_terminal_snr,
        "size": "x".join(map(str, plan.sample_size_px)),
    }
    base = msgspec.json.encode([plan.config.model, plan.config.text, _files_of(plan)])
    lora = _weights(errand.lora) if errand.lora and any(job.scale for job in jobs) else ""
    found = {}
    for job in jobs:
        own = {name: value for name, value in msgspec.structs.asdict(job).items() if name != "name"}
        said = {"Software": "dsk pictures", **{name: str(value) for name, value in (own | shared).items()}}
        decided = msgspec.json.encode([sorted(said.items()), lora if job.scale else ""])
        # Of the LoRA its numbers decide, not its name.
        named = {"lora": errand.lora.name} if job.scale and errand.lora else {}
        found[job.name] = {**said, **named, _DIGEST: hashlib.sha256(base + decided).hexdigest()}
    return found


def _weights(path: Path) -> str:
    try:
        return products.weights_sha256(path)
    except SafetensorError as error:
        raise LoraFileError(f"{path}: is no whole safetensors file", hint="bake or download it again") from error


def _files_of(plan: Plan) -> list[tuple[str, int, int]]:
    """Names, sizes and times of the base's files: one that is replaced is noticed without reading gigabytes."""
    places = [Path(given) for given in (plan.config.model.base, plan.config.model.vae) if given]
    files = [
        file for place in places for file in ([place] if place.is_file() else sorted(place.rglob("*.safetensors")))
    ]
    return [(file.name, (stat := file.stat()).st_size, stat.st_mtime_ns) for file in files]


def _is_there(path: Path, facts: dict[str, str]) -> bool:
    try:
        with Image.open(path) as picture:
            picture.load()
            return bool(getattr(picture, "text", {}).get(_DIGEST) == facts[_DIGEST])
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return False  # not there, cut short, or no picture of ours
