"""What a run writes down while it goes: every step's numbers, every picture's loss, validation, samples.

`loss.jsonl` has a line per step, `draws.jsonl` one with the losses of its pictures, `validation.jsonl` one per
measurement. A run that goes on forgets what came after its checkpoint: those steps will be done again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from trainer import logs, sheets, showing, validation
from trainer.assembling import Assembled
from trainer.due import Due
from trainer.logs.contract import Sink
from trainer.loop import Oven, Step
from trainer.losslog import AddRow, LossLog, read_rows
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.showing import Show
from trainer.signals import never

STEPS, DRAWS, VALIDATION = "loss.jsonl", "draws.jsonl", "validation.jsonl"


@dataclass(frozen=True)
class Diary:
    """An open diary; only the process that writes has one."""

    plan: Plan
    oven: Oven
    reporter: Reporter
    due: Due
    sink: Sink
    append: Mapping[str, AddRow]
    """Adds a row to the log of this name."""
    asked: validation.Asked
    show: Show
    stop: Callable[[], bool]
    """Whether what is measured and drawn on the way is to be left for the next sitting."""
    measured: frozenset[int]
    """Steps that a sitting before has measured the validation loss after."""

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
        self.append[STEPS](row)
        rows = [[drawn.index, round(drawn.time, 3), drawn.loss] for drawn in step.draws]
        self.append[DRAWS]({"step": step.number, "draws": rows})
        self.sink.numbers(step.number, {"loss": step.loss, "lr": step.learning_rate, "norm": step.norm})

    def look(self, step: int) -> None:
        """Measures and draws what is due after this step and not there yet, of the weights that would be the result."""
        is_last = step >= self.plan.steps
        is_due = is_last or not step or self.due.validate(step)
        if self.asked.any and is_due and step not in self.measured:
            self._measure(step, stop=never if is_last else self.stop)
        if not is_last and step and sheets.is_due(self.plan, step) and not self.show.has(step):
            made = self.show.add(step)
            if made is not None:
                self.sink.picture(step, "samples", made)

    def flush(self) -> None:
        """All that was written down so far stays, however the run ends."""
        self.sink.flush()

    def _measure(self, step: int, *, stop: Callable[[], bool]) -> None:
        with self.oven.as_result():
            found = validation.measure_both(self.oven, self.asked, stop=stop)
        if not found:
            return
        self.append[VALIDATION]({"step": step, **found})
        self.sink.numbers(step, {f"validation/{name}": value for name, value in found.items()})
        told = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in found.items())
        self.reporter.note(f"validation at step {step}: {told}")


@contextmanager
def opened(
    plan: Plan, parts: Assembled, *, reporter: Reporter, due: Due, step: int, stop: Callable[[], bool]
) -> Iterator[Diary]:
    """The diary of a run that has done `step` steps, opened there."""
    oven = parts.oven
    # A network in pieces is asked by all processes, or by none: they must agree.
    halts = (lambda: oven.processes.agree(stop())) if oven.sharded else stop
    with ExitStack() as stack:
        append = {}
        for name in (STEPS, DRAWS, VALIDATION):
            log = LossLog(plan.output / name)
            log.cut(step or -1)  # What was measured before the first step is measured again.
            append[name] = stack.enter_context(log.appending())
        sink = logs.make(plan, step=step)
        stack.callback(sink.close)
        asked = validation.chosen(parts.dataset, plan.config.validation)
        measured = [row["step"] for row in read_rows(plan.output / VALIDATION)]
        if oven.sharded:
            measured = oven.processes.first(measured)
        shown = showing.show(plan, parts, reporter, stop=halts)
        shown.begin(step)
        yield Diary(plan, oven, reporter, due, sink, append, asked, shown, halts, frozenset(measured))
