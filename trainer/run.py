"""A run from beginning to end: caches, training, checkpoints, what is looked at on the way, results."""

from __future__ import annotations

import glob
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import torch

from trainer import assembling, diary, filling, imagelosses, loop, products, results, sharding, showing, state
from trainer.assembling import Assembled
from trainer.atomic import make_folder, remove_file, remove_leftovers
from trainer.contracts.adapter import parameters_of
from trainer.due import Due
from trainer.errors import InterruptedRun, StateError
from trainer.lock import exclusive
from trainer.loop import Oven, Step
from trainer.memory import applying
from trainer.memory.exhausted import explained
from trainer.memory.placing import using
from trainer.plan import Plan
from trainer.processes import Processes, exchanging, start
from trainer.progress import QuietReporter, Reporter
from trainer.run_sections import LogConfig
from trainer.signals import StopWish, stop_wish
from trainer.updates.updater import Saved
from trainer.watching import Watch


@dataclass(frozen=True)
class Run:
    """A run whose parts are loaded."""

    plan: Plan
    parts: Assembled
    reporter: Reporter
    stop: StopWish
    checkpoints: Path
    """Folder of the checkpoints."""

    @property
    def oven(self) -> Oven:
        """What trains."""
        return self.parts.oven

    @property
    def is_main(self) -> bool:
        """Whether this process is the one that writes."""
        return self.oven.processes.is_main

    @property
    def looks(self) -> bool:
        """Whether this process draws and measures: a network in pieces is run by all or by none."""
        return self.is_main or self.oven.sharded


def bake(plan: Plan, reporter: Reporter, *, restart: bool = False) -> results.Result | None:
    """Trains to the end, from the last checkpoint if there is one, and writes everything; None where another process
    of the same run does the writing.

    Raises InterruptedRun after a signal, its checkpoint saved; and any other TrainerError.
    """
    processes = start(plan.config.train.device)
    told = reporter if processes.is_main else QuietReporter()
    with _alone(plan, processes) as seen, stop_wish() as stop, _closed(told), explained(plan.config), exchanging():
        if processes.is_main:
            _clear(plan, restart=restart)
        processes.wait()
        for note in plan.notes:
            told.note(f"note: {note}")
        parts = assembling.assemble(plan, told.note, processes=processes)
        run = Run(seen, parts, told, stop, plan.output / "checkpoints")
        progress = _resume(run)
        try:
            if not filling.fill(plan, run.parts, reporter=told, stop=stop):
                raise _interrupted(run, progress.step)
            applying.prepare(run.oven.model, plan.config)
            with using(run.oven.model, filling.needed(plan, run.oven)):
                progress = _train(run, progress)
        finally:
            run.oven.latents.close()
        result = _finish(run, progress)
        processes.end()
        return result


@contextmanager
def _alone(plan: Plan, processes: Processes) -> Iterator[Plan]:
    """Holds the output folder; the plan, which has a folder that does not stay where another process writes."""
    if processes.is_main:
        make_folder(plan.output)
        with exclusive(plan.output):
            yield plan
        return
    with tempfile.TemporaryDirectory() as folder:
        replaced = msgspec.structs.replace
        output = replaced(plan.config.output, dir=folder)
        yield replace(plan, config=replaced(plan.config, output=output, log=LogConfig()))


def _clear(plan: Plan, *, restart: bool) -> None:
    for name in ("*.jsonl", "result.json", f"{glob.escape(plan.config.output.name)}*"):
        remove_leftovers(plan.output, name)
    if restart:
        state.discard(plan.output / "checkpoints")
        products.discard_on_the_way(plan)
    if state.is_none(plan.output / "checkpoints"):
        # What is told of a result that this run will replace; the result itself stays until then.
        for name in ("result.json", imagelosses.NAME, f"samples/{showing.BEFORE_AFTER}"):
            remove_file(plan.output / name)


@contextmanager
def _closed(reporter: Reporter) -> Iterator[None]:
    try:
        yield
    finally:
        reporter.end()


def _resume(run: Run) -> state.Progress:
    """Where the run stands: the last checkpoint, put back, or the beginning."""
    settings, oven = run.parts.settings, run.oven
    found = state.latest(run.checkpoints)
    if found is None:
        return state.Progress(0, (0.0, 0.0), 0.0, settings, {})
    state.refuse_other(found.progress, settings, folder=run.checkpoints)
    if found.progress.step > run.plan.steps:
        raise StateError(
            f"{run.checkpoints}: its checkpoint is at step {found.progress.step}, past the {run.plan.steps} asked for",
            hint="raise train.steps, choose another output.dir, or begin anew with --restart",
        )
    tensors = _pieces(oven, found.tensors) if oven.sharded else found.tensors
    oven.adapter.load(tensors["adapter"])
    oven.updater.load(Saved(tensors["optimizer"], found.numbers))
    if oven.ema:
        oven.ema.load(tensors["ema"])
    run.reporter.note(f"going on from step {found.progress.step}")
    return found.progress


def _pieces(oven: Oven, tensors: Mapping[str, Mapping[str, torch.Tensor]]) -> dict[str, dict[str, torch.Tensor]]:
    """A checkpoint's tensors, as this process holds its part of them."""
    found = {
        "adapter": sharding.spread(tensors["adapter"], like=oven.adapter.state()),
        "optimizer": sharding.spread_state(tensors["optimizer"], [held.real for held in oven.updater.held]),
    }
    if oven.ema:
        found["ema"] = sharding.spread_state(tensors["ema"], parameters_of(oven.adapter))
    return found


def _train(run: Run, progress: state.Progress) -> state.Progress:
    plan, total = run.plan, run.plan.steps
    watch, due = Watch(plan.config.train.divergence, progress.watch), Due(plan, run.oven.processes)
    saved = progress.step
    opened = diary.opened(plan, run.parts, reporter=run.reporter, due=due, step=progress.step, stop=run.stop)
    with opened if run.looks else nullcontext() as book:
        if book:
            book.look(progress.step)  # Of a run that goes on: what it was stopped before, or in.
        run.reporter.begin("baking", done=progress.step, total=total)
        for step in loop.train(run.oven, done=progress.step, total=total, stop=run.stop):
            watch.see(step.number, step.loss)
            progress = _after(progress, step, watch)
            if book:
                book.add(step)
            run.reporter.advance(loss=step.loss)
            # Before what is looked at: a run that is killed there has lost nothing.
            if due.save(step.number) or step.number == total:
                if book:
                    book.flush()
                saved = _save(run, progress)
            if book:
                book.look(step.number)
        run.reporter.end()
        if saved != progress.step:
            _save(run, progress)
    if progress.step < total:
        raise _interrupted(run, progress.step)
    return progress


def _interrupted(run: Run, step: int) -> InterruptedRun:
    done = f"stopped after step {step} of {run.plan.steps}; a checkpoint is saved in {run.checkpoints}"
    return InterruptedRun(done if step else "stopped before the first step", hint="run the same command again to go on")


def _after(progress: state.Progress, step: Step, watch: Watch) -> state.Progress:
    first = progress.losses[0] if progress.step else step.loss
    return replace(
        progress,
        step=step.number,
        losses=(first, step.loss),
        seconds=progress.seconds + step.seconds,
        watch=watch.state(),
    )


def _save(run: Run, progress: state.Progress) -> int:
    oven = run.oven
    optimizer = oven.updater.state()
    tensors = {"adapter": oven.adapter.state(), "optimizer": optimizer.tensors}
    if oven.ema:
        tensors["ema"] = oven.ema.state()
    if oven.sharded:
        tensors = {name: sharding.whole(own, oven.processes) for name, own in tensors.items()}
    if run.is_main:
        state.save(run.checkpoints, progress, tensors, optimizer.numbers)
        state.prune(run.checkpoints, run.plan.config.train.keep_last)
    if run.plan.config.train.keep_results and progress.step < run.plan.steps:
        _write(run, progress, step=progress.step)
    oven.processes.wait()
    return progress.step


def _write(run: Run, progress: state.Progress, *, step: int = 0) -> Path | None:
    """The result, or that of a step on the way; nothing where another process writes."""
    oven, facts = run.oven, results.facts(run.plan, run.parts, finished_s=time.time(), progress=progress)
    with oven.as_result(), sharding.gathered(oven.model, oven.processes) if oven.sharded else nullcontext():
        if not run.is_main:
            return None
        # Of a checkpoint the model itself is written.
        own = {} if oven.sharded else oven.adapter.state()
        made = products.save(run.plan, run.parts, state=own, metadata=facts, step=step)
    run.reporter.note(f"saved {made}")
    return made


def _finish(run: Run, progress: state.Progress) -> results.Result | None:
    made, picture = _write(run, progress), None
    if run.looks:
        picture = showing.show(run.plan, run.parts, run.reporter).finish(progress.step)
    if made is None or picture is None:
        return None
    run.reporter.note(f"saved {picture}")
    result = results.make(run.plan, run.parts, progress=progress, made=made, picture=picture)
    results.write(run.plan.output / "result.json", result)
    return result
