"""The pictures of a run: before its first step, on the way, and beside each other at the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from trainer import sheets
from trainer.assembling import Assembled
from trainer.atomic import write_file
from trainer.plan import Plan
from trainer.progress import Reporter
from trainer.sampling import ddim, grid
from trainer.sheets import Growing
from trainer.signals import never

BEFORE_AFTER = "before-after.png"


@dataclass(frozen=True)
class Show:
    """Makes and keeps the pictures of a run."""

    plan: Plan
    parts: Assembled
    reporter: Reporter
    wanted: ddim.Request
    sheet: Growing
    stop: Callable[[], bool] = never
    """Whether pictures on the way are to be left for the next sitting."""

    def begin(self, step: int) -> None:
        """Makes ready for a run that goes on from `step`, and the pictures before its first where it begins."""
        self.sheet.begin(step)
        is_wanted = sheets.grows(self.plan) or not self.parts.kind.reversible
        # An adapter can be switched off at any time: samples may be asked for, or change, when a run goes on.
        can_be_made = step == 0 or (self.parts.kind.reversible and sheets.grows(self.plan))
        if is_wanted and can_be_made and not self.has(0):
            self._say("before the first step")
            if made := self._without(self.stop):
                self.sheet.keep(0, made)
        if sheets.grows(self.plan):
            self.sheet.draw()

    def has(self, step: int) -> bool:
        """Whether this column is there, where it is kept: a network in pieces is asked by all processes, or by none."""
        oven = self.parts.oven
        found = self.sheet.has(step)
        return oven.processes.first(found) if oven.sharded else found

    def add(self, step: int) -> Path | None:
        """A column of the sheet that grows; None where it was stopped."""
        self._say(f"at step {step}")
        made = self._now(self.stop)
        return self.sheet.add(step, made) if made else None

    def finish(self, step: int) -> Path:
        """The sheet of before and after; where one grew, its last column too."""
        self._say("at the end")
        after = self._now()
        if sheets.grows(self.plan):
            self.sheet.add(step, after)
        before = self.sheet.pictures(0)
        if before is None and self.parts.kind.reversible:
            before = self._without()
        columns = [("before", before)] if before else []
        title = f"{self.plan.config.output.name}, step {step}"
        path = self.plan.output / "samples" / BEFORE_AFTER
        sheet = sheets.drawn(self.plan, [*columns, ("after", after)], wanted=self.wanted, title=title)
        write_file(path, grid.png(sheet, [("Title", title)]))
        return path

    def _now(self, stop: Callable[[], bool] = never) -> list[Image.Image]:
        oven = self.parts.oven
        with oven.as_result():
            return sheets.pictures(self.plan, oven.model, oven.recipe, wanted=self.wanted, stop=stop)

    def _without(self, stop: Callable[[], bool] = never) -> list[Image.Image]:
        plan, oven, wanted = self.plan, self.parts.oven, self.wanted
        if not self.parts.kind.reversible:
            return sheets.pictures(plan, oven.model, oven.recipe, wanted=wanted, stop=stop)
        return sheets.without(plan, oven.model, oven.recipe, adapter=oven.adapter, wanted=wanted, stop=stop)

    def _say(self, when: str) -> None:
        num = len(self.wanted.prompts)
        self.reporter.note(f"sampling {'1 prompt' if num == 1 else f'{num} prompts'} {when}")


def show(plan: Plan, parts: Assembled, reporter: Reporter, *, stop: Callable[[], bool] = never) -> Show:
    """That of this run. Raises InputError where its prompt file is wrong."""
    wanted = sheets.request(plan)
    return Show(plan, parts, reporter, wanted, sheets.growing(plan, wanted), stop)
