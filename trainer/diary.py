"""What a run writes down while it goes: every step's numbers, every picture's loss, validation, samples.

`loss.jsonl` has a line per step, `draws.jsonl` one with the losses of its pictures, `validation.jsonl` one per
measurement. A run that goes on forgets what came after its checkpoint: those steps will be done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trainer import logs, sheets, showing, validation
from trainer.assembling import Assembled
from trainer.due import Due
from trainer.logs.contract import Sink
from trainer.loop import Oven, Step
from trainer.losslog import AddRow, LossLog
from trainer.memory.placing import text_parts, using
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.showing import Show

STEPS, DRAWS, VALIDATION = "loss.jsonl", "draws.jsonl", "validation.jsonl"


@dataclass(frozen=True)
class Diary:
    """An open diary; only the process that writes has one."""

    plan: Plan
    oven: Oven
    reporter: Reporter
    due: Due
    sink: Sink
    add_step: AddRow
    add_draws: AddRow
    add_validation: AddRow
    asked: validation.Asked
    show: Show

    def add(self, step: Step) -> None:
        """Writes a step down."""
        row = {
            "step": step.number,
            "epoch": step.epoch,
            "loss": step.loss,
            "lr": step.learning_rate,
            "norm": step.norm,
            "seconds": round(step.seconds, 4),
        }
        self.add_step(row)
        rows = [[drawn.index, round(drawn.time, 3), drawn.loss] for drawn in step.draws]
        self.add_draws({"step": step.number, "draws": rows})
        self.sink.numbers(step.number, {"loss": step.loss, "lr": step.learning_rate, "norm": step.norm})

    def look(self, step: int) -> None:
        """Measures and draws what is due after this step, of the weights that would become the result."""
        is_last = step >= self.plan.steps
        if self.asked.any and (is_last or not step or self.due.validate(step)):
            self._measure(step)
        if not is_last and step and sheets.is_due(self.plan, step):
            self.sink.picture(step, "samples", self.show.add(step))

    def _measure(self, step: int) -> None:
        with self.oven.as_result(), using(self.oven.model, text_parts(self.oven.model)):
            found = validation.measure_both(self.oven, self.asked)
        self.add_validation({"step": step, **found})
        self.sink.numbers(step, {f"validation/{name}": value for name, value in found.items()})
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in found.items())
        self.reporter.note(f"validation at step {step}: {told}")


@contextmanager
def opened(plan: Plan, parts: Assembled, *, reporter: Reporter, due: Due, step: int) -> Iterator[Diary]:
    """The diary of a run that has done `step` steps, opened there."""
    with ExitStack() as stack:
        add = []
        for name in (STEPS, DRAWS, VALIDATION):
            log = LossLog(plan.output / name)
            log.cut(step or -1)  # What was measured before the first step is measured again.
            add.append(stack.enter_context(log.appending()))
        sink = logs.make(plan, step=step)
        stack.callback(sink.close)
        asked = validation.chosen(parts.dataset, plan.config.validation)
        shown = showing.show(plan, parts, reporter)
        shown.begin(step)
        if 0 < step < plan.steps and sheets.is_due(plan, step) and not shown.has(step):
            shown.add(step)  # It was stopped between the checkpoint and its pictures.
        yield Diary(plan, parts.oven, reporter, due, sink, add[0], add[1], add[2], asked, shown)
