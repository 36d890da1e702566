"""Where a run's numbers and pictures go beside its own files: TensorBoard, Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainer.formats.origin import portable
from trainer.logs.contract import Sink
from trainer.plan import Plan


@dataclass(frozen=True)
class Sinks:
    """Several at once, or none."""

    all: tuple[Sink, ...]

    def numbers(self, step: int, values: Mapping[str, float]) -> None:
        """To each."""
        for sink in self.all:
            sink.numbers(step, values)

    def picture(self, step: int, name: str, path: Path) -> None:
        """To each."""
        for sink in self.all:
            sink.picture(step, name, path)

    def flush(self) -> None:
        """Each."""
        for sink in self.all:
            sink.flush()

    def close(self) -> None:
        """Each."""
        for sink in self.all:
            sink.close()


def make(plan: Plan, *, step: int) -> Sinks:
    """What `[log]` asks for, of a run that goes on from `step`. Raises MissingExtraError, ConfigError."""
    asked, made = plan.config.log, list[Sink]()
    if asked.tensorboard:
        from trainer.logs import tensorboard

        made.append(tensorboard.TensorBoard(plan.output / tensorboard.FOLDER, step=step))
    if asked.wandb:
        from trainer.logs import wandb

        settings = portable(plan.config)
        made.append(wandb.Wandb(asked.wandb, plan.output, name=plan.config.output.name, settings=settings, step=step))
    return Sinks(tuple(made))
