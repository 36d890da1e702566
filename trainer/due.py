"""When it is time for something that is done every so many steps, epochs or minutes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from trainer.plan import Plan
from trainer.processes import Processes


@dataclass
class Due:
    """Tells when to save and to sample; `step` counts updates done."""

    plan: Plan
    processes: Processes
    _saved_s: float = field(default_factory=time.monotonic)

    def save(self, step: int) -> bool:
        """Whether a checkpoint is due, on all processes alike."""
        train = self.plan.config.train
        is_due = at(self.plan, step, steps=train.save_every, epochs=train.save_every_epochs)
        if train.save_every_minutes:
            waited_s = time.monotonic() - self._saved_s
            is_due = self.processes.agree(is_due or waited_s >= 60.0 * train.save_every_minutes)
        if is_due:
            self._saved_s = time.monotonic()
        return is_due

    def validate(self, step: int) -> bool:
        """Whether the validation loss is."""
        return at(self.plan, step, steps=self.plan.config.validation.every)


def at(plan: Plan, step: int, *, steps: int, epochs: int = 0) -> bool:
    """Whether this step ends a span of so many steps, or of so many epochs; 0 is never."""
    return any(span and step % span == 0 for span in (steps, epochs * plan.steps_per_epoch))
