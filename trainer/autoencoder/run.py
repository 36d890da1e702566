"""A VAE's training from beginning to end: pictures, steps, checkpoints, measurements, results."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from trainer import state
from trainer.atomic import make_folder, remove_file, remove_leftovers
from trainer.autoencoder import measuring, networks, results
from trainer.autoencoder import pictures as reading
from trainer.autoencoder.config import VaeConfig, check_sides, settings
from trainer.autoencoder.pictures import Pictures
from trainer.autoencoder.results import VaeResult
from trainer.autoencoder.training import Step, Training
from trainer.errors import ConfigError, InterruptedRun, StateError
from trainer.families._digests import network_digest
from trainer.lock import exclusive
from trainer.losslog import AddRow, LossLog
from trainer.memory.exhausted import advised
from trainer.progress import Reporter
from trainer.signals import stop_wish
from trainer.state import Progress

_LESS = "lower train.batch_size, train.crop or data.resolution, and begin anew with --restart"


@dataclass(frozen=True)
class Run:
    """A run whose parts are loaded."""

    config: VaeConfig
    training: Training
    pictures: Pictures
    reporter: Reporter
    stop: Callable[[], bool]
    settings: dict[str, Any]

    @property
    def folder(self) -> Path:
        """Of the results."""
        return Path(self.config.output.dir)

    @property
    def checkpoints(self) -> Path:
        """Their folder."""
        return self.folder / "checkpoints"


def train(config: VaeConfig, reporter: Reporter, *, restart: bool = False) -> VaeResult:
    """Trains to the end, from the last checkpoint if there is one, and writes everything.

    Raises InterruptedRun after a signal, its checkpoint saved; and any other TrainerError.
    """
    folder = Path(config.output.dir)
    make_folder(folder)
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    with exclusive(folder), stop_wish() as stop, _closed(reporter), advised(lambda where: _LESS):
        _clear(folder, restart=restart)
        run = _prepared(config, reporter, stop)
        return _finish(run, _train(run, _resume(run)))


def _prepared(config: VaeConfig, reporter: Reporter, stop: Callable[[], bool]) -> Run:
    vae, draws = networks.make(config.network, seed=config.train.seed)
    check_sides(config, networks.stride_px(vae))
    known = settings(config)
    if config.network.base:
        known["base"] = network_digest(vae)
    pictures = _read(config, reporter, stop)
    known["pictures"] = pictures.digest
    training = Training(vae.to(_device(config)), draws, pictures=pictures.trained, config=config)
    return Run(config, training, pictures, reporter, stop, known)


def _read(config: VaeConfig, reporter: Reporter, stop: Callable[[], bool]) -> Pictures:
    data, folder = config.data, Path(config.data.folder)
    found = reading.paths(folder, but=Path(config.output.dir))
    reporter.begin("reading", done=0, total=len(found))

    def tell(complaint: str) -> None:
        if complaint:
            reporter.note(complaint)
        reporter.advance()

    return reading.read(folder, found, side_px=data.resolution, held_out=data.held_out, tell=tell, stop=stop)


def _device(config: VaeConfig) -> torch.device:
    asked = config.train.device
    if asked == "cuda" and not torch.cuda.is_available():
        raise ConfigError("train.device: there is no GPU that torch can use", hint='set train.device = "cpu"')
    return torch.device("cuda" if asked != "cpu" and torch.cuda.is_available() else "cpu")


def _clear(folder: Path, *, restart: bool) -> None:
    for name in ("*.jsonl", results.RESULT, results.PICTURE, results.VAE):
        remove_leftovers(folder, name)
    if restart:
        state.discard(folder / "checkpoints")
    if state.is_none(folder / "checkpoints"):
        # What is told of a result that this run will replace; the result itself stays until then.
        for name in (results.RESULT, results.PICTURE):
            remove_file(folder / name)


def _resume(run: Run) -> Progress:
    found = state.latest(run.checkpoints)
    if found is None:
        return Progress(0, (0.0, 0.0), 0.0, run.settings)
    state.refuse_other(found.progress, run.settings, folder=run.checkpoints)
    if found.progress.step > run.config.train.steps:
        raise StateError(f"{run.checkpoints}: its checkpoint is past the last step", hint="begin anew with --restart")
    run.training.load(found.tensors, done=found.progress.step)
    run.reporter.note(f"going on from step {found.progress.step}")
    return found.progress


def _train(run: Run, progress: Progress) -> Progress:
    train, training = run.config.train, run.training
    logs = [LossLog(run.folder / name) for name in (results.LOSSES, results.VALIDATION)]
    for log in logs:
        log.cut(progress.step)
    saved, saved_s = progress.step, time.monotonic()
    with logs[0].appending() as add, logs[1].appending() as add_measured:
        run.reporter.begin("training", done=progress.step, total=train.steps)
        while progress.step < train.steps and not run.stop():
            began = time.perf_counter()
            step = training.step()
            progress = _after(progress, step, time.perf_counter() - began)
            add({"step": step.number, **{name: value for name, value in asdict(step).items() if name != "number"}})
            run.reporter.advance(loss=step.loss)
            if train.validate_every and step.number % train.validate_every == 0:
                _look(run, step.number, add_measured)
            waited_s = time.monotonic() - saved_s
            is_due = train.save_every_minutes and waited_s >= 60.0 * train.save_every_minutes
            if is_due or step.number == train.steps:
                saved, saved_s = _save(run, progress), time.monotonic()
        run.reporter.end()
    if saved != progress.step:
        _save(run, progress)
    if progress.step < train.steps:
        done = f"stopped after step {progress.step} of {train.steps}; a checkpoint is saved in {run.checkpoints}"
        told = done if progress.step else "stopped before the first step"
        raise InterruptedRun(told, hint="run the same command again to go on")
    return progress


def _after(progress: Progress, step: Step, seconds: float) -> Progress:
    first = progress.losses[0] if progress.step else step.loss
    return replace(progress, step=step.number, losses=(first, step.loss), seconds=progress.seconds + seconds)


def _look(run: Run, step: int, add: AddRow) -> None:
    found = measuring.held_out(run.training.vae, run.pictures.held_out)
    add(
        {
            "step": step,
            "psnr_db": found.psnr_db,
            "absolute": found.absolute,
            "latent_std": found.latent_std,
            "latent_spread": found.latent_spread,
        }
    )
    run.reporter.note(
        f"step {step}: {found.psnr_db:.2f} dB, latents {found.latent_std:.2f} wide, each {found.latent_spread:.3f}"
    )


def _save(run: Run, progress: Progress) -> int:
    state.save(run.checkpoints, progress, run.training.state(), {})
    state.prune(run.checkpoints, run.config.train.keep_last)
    return progress.step


def _finish(run: Run, progress: Progress) -> VaeResult:
    vae = run.training.take_average()
    if not run.config.keeps_scaling:
        some = run.pictures.trained[: run.config.output.scaling_pictures]
        vae.register_to_config(scaling_factor=measuring.scaling_factor(vae, some))
    measured = measuring.held_out(vae, run.pictures.held_out)
    made = run.folder / results.VAE
    networks.write(vae, made, dtype=run.config.output.dtype)
    run.reporter.note(f"saved {made}")
    return results.write(run.folder, run.config, pictures=run.pictures, progress=progress, measured=measured, vae=vae)


@contextmanager
def _closed(reporter: Reporter) -> Iterator[None]:
    try:
        yield
    finally:
        reporter.end()
