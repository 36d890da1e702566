"""Puts a run together: model, adapter, objective, pictures; then trains, samples and writes the results."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from trainer import loop, losslog, results, state
from trainer.atomic import make_folder, remove_leftovers, write_file
from trainer.config import Config
from trainer.contracts import Adapter, AdapterSettings, Attached, BaseSource, Model, Objective
from trainer.data import items
from trainer.data.cache import LatentCache
from trainer.data.items import Dataset
from trainer.errors import ConfigError, InterruptedRun, StateError
from trainer.formats import kohya_lora
from trainer.lock import exclusive
from trainer.loop import Oven, Rules, Step
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.registry import ADAPTERS, OBJECTIVES
from trainer.sampling import ddim, grid
from trainer.signals import StopWish, stop_wish


@dataclass(frozen=True)
class Run:
    """A run whose parts are loaded."""

    plan: Plan
    dataset: Dataset
    oven: Oven
    adapter_kind: Adapter
    settings: dict[str, object]
    reporter: Reporter
    stop: StopWish

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.plan.output / "checkpoints"


def bake(plan: Plan, reporter: Reporter, *, restart: bool = False) -> results.Result:
    """Trains to the end, from the last checkpoint if there is one, and writes everything.

    Raises InterruptedRun after a signal, its checkpoint saved; and any other TrainerError.
    """
    make_folder(plan.output)
    with exclusive(plan.output), stop_wish() as stop, _closed(reporter):
        for name in ("loss.jsonl", "result.json", f"{plan.config.output.name}.safetensors"):
            remove_leftovers(plan.output, name)
        if restart:
            state.discard(plan.output / "checkpoints")
        run = _assemble(plan, reporter, stop=stop)
        progress = _resume(run)
        _fill_cache(run)
        progress = _train(run, progress)
        return _finish(run, progress)


def sample(plan: Plan, lora: Path, *, request: ddim.Request, title: str) -> Image.Image:
    """The sheet of pictures with and without a LoRA file. Raises LoraFileError."""
    tensors, _ = kohya_lora.load(lora)
    objective, model = _model(plan.config, plan)
    adapter = _attach_file(plan, model, tensors=tensors)
    return _sheet(plan, (model, objective, adapter), wanted=request, title=title)


def request(config: Config, plan: Plan) -> ddim.Request:
    """The sample pictures that the config asks for."""
    wanted = config.sample
    return ddim.Request(
        plan.prompts(), wanted.negative, plan.sample_size_px, wanted.steps, wanted.guidance, wanted.seed
    )


@contextmanager
def _closed(reporter: Reporter) -> Iterator[None]:
    try:
        yield
    finally:
        reporter.end()


def _model(config: Config, plan: Plan) -> tuple[Objective, Model]:
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    objective = OBJECTIVES.load(config.objective.name, field="objective.name")
    folder = Path(config.model.base) if config.model.base else None
    source = BaseSource(folder, config.model.seed, _device(config.train.device), objective.prediction_type)
    return objective, plan.family.load(source)


def _device(wanted: str) -> str:
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device: no GPU is available to torch", hint='set device = "auto" or "cpu"')
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted


def _assemble(plan: Plan, reporter: Reporter, *, stop: StopWish) -> Run:
    config = plan.config
    for note in plan.dataset.notes:
        reporter.note(f"note: {note}")
    dataset = items.with_digests(plan.dataset)
    objective, model = _model(config, plan)
    settings = {**plan.deciding(), "model.digest": model.digest(), "dataset.digest": dataset.digest()}
    kind = ADAPTERS.load(config.adapter.name, field="adapter.name")
    size = AdapterSettings(config.adapter.rank, config.adapter.alpha, config.train.seed)
    adapter = kind.attach(model.parts, plan.target_patterns(), settings=size)
    optimizer = torch.optim.AdamW(
        list(adapter.parameters()),
        lr=config.optimizer.learning_rate,
        weight_decay=config.optimizer.weight_decay,
    )
    folder = Path(config.dataset.cache) if config.dataset.cache else plan.output / "latents"
    train = config.train
    rules = Rules(train.seed, train.gradient_accumulation, config.optimizer.max_grad_norm, train.precision == "bf16")
    cache = LatentCache(folder, model, model.vae_digest())
    oven = Oven(model, objective, adapter, optimizer, dataset.items, cache, rules)
    return Run(plan, dataset, oven, kind, settings, reporter, stop)


def _resume(run: Run) -> state.Progress:
    """Where the run stands: the last checkpoint, put back, or the beginning."""
    found = state.latest(run.checkpoints)
    if found is None:
        return state.Progress(0, (0.0, 0.0), 0.0, run.settings)
    state.refuse_other(found.progress, run.settings, folder=run.checkpoints)
    if found.progress.step > run.plan.steps:
        raise StateError(
            f"{run.checkpoints}: its checkpoint is at step {found.progress.step}, past the {run.plan.steps} asked for",
            hint="raise train.steps, choose another output.dir, or begin anew with --restart",
        )
    run.oven.adapter.load(found.adapter)
    state.restore(run.oven.optimizer, found.optimizer)
    run.reporter.note(f"going on from step {found.progress.step}")
    return found.progress


def _fill_cache(run: Run) -> None:
    cache = run.oven.cache
    wanted = [
        (item, flip) for item in run.dataset.items for flip in ((False, True) if item.subset.flip_aug else (False,))
    ]
    todo = [(item, flip) for item, flip in wanted if not cache.has(item, flip=flip)]
    if not todo:
        return
    run.reporter.begin("encoding", done=0, total=len(todo))
    for item, flip in todo:
        if run.stop():
            raise _interrupted(run, 0)
        cache.latent(item, flip=flip)
        run.reporter.advance()
    run.reporter.end()


def _train(run: Run, progress: state.Progress) -> state.Progress:
    train, total = run.plan.config.train, run.plan.steps
    log = losslog.LossLog(run.plan.output / "loss.jsonl")
    log.cut(progress.step)
    run.reporter.begin("baking", done=progress.step, total=total)
    saved = progress.step
    with log.appending() as add_row:
        for step in loop.train(run.oven, done=progress.step, total=total, stop=run.stop):
            progress = _after(progress, step)
            add_row(_log_row(step))
            run.reporter.advance(loss=step.loss)
            if train.save_every and step.number % train.save_every == 0:
                saved = _save(run, progress)
            every = run.plan.config.sample.every
            if every and step.number % every == 0 and step.number < total:
                _write_grid(run, progress.step, name=f"step-{step.number:08d}.png")
    run.reporter.end()
    if saved != progress.step:
        _save(run, progress)
    if progress.step < total:
        raise _interrupted(run, progress.step)
    return progress


def _interrupted(run: Run, step: int) -> InterruptedRun:
    done = f"stopped after step {step} of {run.plan.steps}; a checkpoint is saved in {run.checkpoints}"
    return InterruptedRun(done if step else "stopped before the first step", hint="run the same command again to go on")


def _after(progress: state.Progress, step: Step) -> state.Progress:
    first = progress.losses[0] if progress.step else step.loss
    return state.Progress(step.number, (first, step.loss), progress.seconds + step.seconds, progress.settings)


def _log_row(step: Step) -> dict[str, float | int]:
    return {
        "step": step.number,
        "epoch": step.epoch,
        "loss": step.loss,
        "lr": step.learning_rate,
        "seconds": round(step.seconds, 4),
    }


def _save(run: Run, progress: state.Progress) -> int:
    state.save(run.checkpoints, progress, adapter=run.oven.adapter.state(), optimizer=run.oven.optimizer)
    state.prune(run.checkpoints, run.plan.config.train.keep_last)
    return progress.step


def _finish(run: Run, progress: state.Progress) -> results.Result:
    plan = run.plan
    finished = time.time()
    facts = results.bake_facts(
        plan, run.dataset, kinds=(run.oven.objective, run.adapter_kind), times=(finished, progress.seconds)
    )
    lora = plan.output / f"{plan.config.output.name}.safetensors"
    kohya_lora.save(lora, run.oven.adapter.state(), prefixes=plan.family.lora_prefixes, metadata=facts)
    run.reporter.note(f"saved {lora}")
    picture = _write_grid(run, progress.step, name="before-after.png")
    run.reporter.note(f"saved {picture}")
    result = results.Result(
        lora=lora.relative_to(plan.output).as_posix(),
        grid=picture.relative_to(plan.output).as_posix(),
        steps=progress.step,
        epochs=plan.epochs,
        first_loss=progress.losses[0],
        final_loss=progress.losses[1],
        seconds=round(progress.seconds, 3),
        images=len(run.dataset.items),
        device=str(run.oven.model.device),
        versions=results.versions(),
    )
    results.write(plan.output / "result.json", result)
    return result


def _write_grid(run: Run, step: int, *, name: str) -> Path:
    plan = run.plan
    wanted = request(plan.config, plan)
    run.reporter.note(f"sampling {len(wanted.prompts)} prompts, before and after")
    oven = run.oven
    title = f"{plan.config.output.name}, step {step}"
    image = _sheet(plan, (oven.model, oven.objective, oven.adapter), wanted=wanted, title=title)
    path = plan.output / "samples" / name
    write_file(path, grid.png(image, [("Title", title)]))
    return path


def _sheet(plan: Plan, parts: tuple[Model, Objective, Attached], *, wanted: ddim.Request, title: str) -> Image.Image:
    """Pictures without and with the adapter, from the same noise."""
    model, objective, adapter = parts
    made: list[list[Image.Image]] = []
    for on in (False, True):
        adapter.enable(on)
        made.append(ddim.pictures(model, objective, request=wanted, stride_px=plan.family.latent_stride_px))
    base = Path(plan.config.model.base).name or f"{plan.family.name}, random weights, so it paints noise"
    footer = f"base: {base}   seed {wanted.seed}   {wanted.steps} steps   guidance {wanted.guidance:g}"
    rows = tuple(zip(*made, strict=True))
    return grid.render(grid.Sheet(title, footer, ("before", "after"), wanted.prompts, rows))


def _attach_file(plan: Plan, model: Model, *, tensors: dict[str, torch.Tensor]) -> Attached:
    """An adapter of the shape of the file, with its tensors."""
    rank, alpha = kohya_lora.rank_and_alpha(tensors)
    kind = ADAPTERS.load(plan.config.adapter.name, field="adapter.name")
    patterns = _modules_of(model, kohya_lora.module_paths(tensors), plan=plan)
    adapter = kind.attach(model.parts, patterns, settings=AdapterSettings(rank, alpha, seed=0))
    adapter.load(kohya_lora.to_state(tensors, adapter.state(), prefixes=plan.family.lora_prefixes))
    return adapter


def _modules_of(model: Model, wanted: set[str], *, plan: Plan) -> Sequence[str]:
    prefixes = plan.family.lora_prefixes
    paths = [f"{part}.{path}" for part, root in model.parts.items() for path, _ in root.named_modules() if path]
    return [re.escape(path) for path in paths if kohya_lora.to_file_key(f"{path}.alpha", prefixes)[:-6] in wanted]
