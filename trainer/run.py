"""A run from beginning to end: caches, training, checkpoints, pictures, results."""

from __future__ import annotations

import glob
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from trainer import assembling, loop, losslog, products, results, sheets, state
from trainer.assembling import Assembled
from trainer.atomic import make_folder, remove_leftovers, write_file
from trainer.data import captions
from trainer.data.captions import DrawKey
from trainer.data.pixels import fixed_views
from trainer.errors import InterruptedRun, StateError
from trainer.lock import exclusive
from trainer.loop import Oven, Step
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.sampling import grid
from trainer.signals import StopWish, stop_wish


@dataclass(frozen=True)
class Run:
    """A run whose parts are loaded."""

    plan: Plan
    parts: Assembled
    reporter: Reporter
    stop: StopWish

    @property
    def oven(self) -> Oven:
        """What trains."""
        return self.parts.oven

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints."""
        return self.plan.output / "checkpoints"

    @property
    def first_pictures(self) -> Path:
        """Folder of the pictures before the first step, where the change cannot be switched off."""
        return self.plan.output / "samples" / "before"


def bake(plan: Plan, reporter: Reporter, *, restart: bool = False) -> results.Result:
    """Trains to the end, from the last checkpoint if there is one, and writes everything.

    Raises InterruptedRun after a signal, its checkpoint saved; and any other TrainerError.
    """
    make_folder(plan.output)
    with exclusive(plan.output), stop_wish() as stop, _closed(reporter):
        for name in ("loss.jsonl", "result.json", f"{glob.escape(plan.config.output.name)}*"):
            remove_leftovers(plan.output, name)
        if restart:
            state.discard(plan.output / "checkpoints")
        for note in plan.notes:
            reporter.note(f"note: {note}")
        run = Run(plan, assembling.assemble(plan, reporter.note), reporter, stop)
        progress = _resume(run)
        try:
            if not _fill_caches(run):
                raise _interrupted(run, progress.step)
            _keep_first_pictures(run, progress.step)
            progress = _train(run, progress)
        finally:
            run.oven.latents.close()
        return _finish(run, progress)


@contextmanager
def _closed(reporter: Reporter) -> Iterator[None]:
    try:
        yield
    finally:
        reporter.end()


def _resume(run: Run) -> state.Progress:
    """Where the run stands: the last checkpoint, put back, or the beginning."""
    settings = run.parts.settings
    found = state.latest(run.checkpoints)
    if found is None:
        return state.Progress(0, (0.0, 0.0), 0.0, settings)
    state.refuse_other(found.progress, settings, folder=run.checkpoints)
    if found.progress.step > run.plan.steps:
        raise StateError(
            f"{run.checkpoints}: its checkpoint is at step {found.progress.step}, past the {run.plan.steps} asked for",
            hint="raise train.steps, choose another output.dir, or begin anew with --restart",
        )
    run.oven.adapter.load(found.adapter)
    state.restore(run.oven.optimizer, found.optimizer)
    run.reporter.note(f"going on from step {found.progress.step}")
    return found.progress


def _fill_caches(run: Run) -> bool:
    """Encodes what is missing; whether all is there."""
    latents = run.oven.latents
    wanted = [(item, view) for item in run.oven.items for view in fixed_views(item)]
    todo = [(item, view) for item, view in wanted if not latents.has(item, view)]
    size = run.plan.config.dataset.encode_batch or (1 if run.oven.model.device.type == "cpu" else 4)
    if not _fill(
        run, "encoding", len(todo), lambda tell: latents.fill(todo, batch_size=size, stop=run.stop, tell=tell)
    ):
        return False
    texts = run.oven.texts
    if run.oven.trains_text or texts.folder is None:
        return True
    prompts = [prompt for prompt in _known_prompts(run) if not texts.has(prompt)]
    return _fill(run, "reading", len(prompts), lambda tell: texts.fill(prompts, stop=run.stop, tell=tell))


def _fill(run: Run, name: str, num: int, fill: Callable[[Callable[[int], None]], bool]) -> bool:
    if not num:
        return True
    run.reporter.begin(name, done=0, total=num)
    is_done = fill(run.reporter.advance)
    run.reporter.end()
    return is_done


def _known_prompts(run: Run) -> list[str]:
    """The texts of pictures that have one only."""
    oven = run.oven
    found: dict[str, None] = {}
    for item in oven.items:
        rule = item.subset.captions
        if not captions.varies(item.captions, rule, oven.tags):
            key = DrawKey(oven.rules.seed, item.digest, 0, 0, oven.rules.total_steps)
            found[captions.draw(item.captions, rule, tags=oven.tags, key=key)] = None
    return list(found)


def _keep_first_pictures(run: Run, step: int) -> None:
    """Where the change cannot be switched off, the pictures before it are made now."""
    if step or run.parts.kind.reversible:
        return
    wanted = sheets.request(run.plan)
    run.reporter.note(f"sampling {len(wanted.prompts)} prompts, before")
    made = sheets.pictures(run.plan, run.oven.model, run.oven.recipe, wanted=wanted)
    sheets.keep(run.first_pictures, made, wanted)


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
    plan, oven = run.plan, run.oven
    facts = results.facts(plan, run.parts, finished_s=time.time(), seconds=progress.seconds)
    made = products.save(plan, run.parts.kind, model=oven.model, adapter=oven.adapter, metadata=facts)
    run.reporter.note(f"saved {made}")
    picture = _write_grid(run, progress.step, name="before-after.png")
    run.reporter.note(f"saved {picture}")
    result = results.Result(
        lora=made.relative_to(plan.output).as_posix(),
        grid=picture.relative_to(plan.output).as_posix(),
        steps=progress.step,
        epochs=plan.epochs,
        first_loss=progress.losses[0],
        final_loss=progress.losses[1],
        seconds=round(progress.seconds, 3),
        images=len(oven.items),
        device=str(oven.model.device),
        versions=results.versions(),
    )
    results.write(plan.output / "result.json", result)
    return result


def _write_grid(run: Run, step: int, *, name: str) -> Path:
    plan, oven = run.plan, run.oven
    wanted = sheets.request(plan)
    run.reporter.note(f"sampling {len(wanted.prompts)} prompts")
    title = f"{plan.config.output.name}, step {step}"
    if run.parts.kind.reversible:
        before, after = sheets.both(plan, oven.model, oven.recipe, adapter=oven.adapter, wanted=wanted)
        columns = [("before", before), ("after", after)]
    else:
        after = sheets.pictures(plan, oven.model, oven.recipe, wanted=wanted)
        first = sheets.kept(run.first_pictures, wanted)
        columns = ([("before", first)] if first else []) + [("after", after)]
    path = plan.output / "samples" / name
    write_file(path, grid.png(sheets.drawn(plan, columns, wanted=wanted, title=title), [("Title", title)]))
    return path
