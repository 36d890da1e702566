"""What a run writes down while it goes: every step's numbers, every picture's loss, validation, samples.

`loss.jsonl` has a line per step, `draws.jsonl` one with the losses of its pictures, `validation.jsonl` one per
measurement. A run that goes on forgets what came after its checkpoint: those steps will be done again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trainer import logs, sheets, validation
from trainer.assembling import Assembled
from trainer.due import Due
from trainer.logs.contract import Sink
from trainer.loop import Oven, Step
from trainer.losslog import AddRow, LossLog
from trainer.memory.placing import using
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.sheets import Growing

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
    sheet: Growing | None

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
        if self.sheet is not None and not is_last and (not step or self.due.sample(step)):
            self._draw(self.sheet, step)

    def _measure(self, step: int) -> None:
        with self.oven.as_result(), using(self.oven.model, self.oven.model.text_parts):
            found = validation.measure_both(self.oven, self.asked)
        self.add_validation({"step": step, **found})
        self.sink.numbers(step, {f"validation/{name}": value for name, value in found.items()})
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in found.items())
        self.reporter.note(f"validation at step {step}: {told}")

    def _draw(self, sheet: Growing, step: int) -> None:
        self.reporter.note(f"sampling {sheet.num_prompts} prompts at step {step}")
        with self.oven.as_result():
            picture = sheet.add(step)
        self.sink.picture(step, "samples", picture)


@contextmanager
def opened(plan: Plan, parts: Assembled, *, reporter: Reporter, due: Due, step: int) -> Iterator[Diary]:
    """The diary of a run that has done `step` steps, opened there."""
    oven = parts.oven
    with ExitStack() as stack:
        add = []
        for name in (STEPS, DRAWS, VALIDATION):
            log = LossLog(plan.output / name)
            log.cut(step)
            add.append(stack.enter_context(log.appending()))
        sink = logs.make(plan, step=step)
        stack.callback(sink.close)
        asked = validation.chosen(parts.dataset, plan.config.validation)
        sheet = sheets.growing(plan, parts, step=step)
        yield Diary(plan, oven, reporter, due, sink, *add, asked=asked, sheet=sheet)
