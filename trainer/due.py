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
        is_due = self._at(step, steps=train.save_every, epochs=train.save_every_epochs)
        if train.save_every_minutes:
            waited_s = time.monotonic() - self._saved_s
            is_due = self.processes.agree(is_due or waited_s >= 60.0 * train.save_every_minutes)
        if is_due:
            self._saved_s = time.monotonic()
        return is_due

    def validate(self, step: int) -> bool:
        """Whether the validation loss is."""
        return self._at(step, steps=self.plan.config.validation.every, epochs=0)

    def _at(self, step: int, *, steps: int, epochs: int) -> bool:
        of_steps = bool(steps) and step % steps == 0
        return of_steps or (bool(epochs) and step % (epochs * self.plan.steps_per_epoch) == 0)
