"""An open dataset together with its decoded settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.config import CONFIG_NAME, check_keys, decode
from datakit.exports.model import EXPORTS
from datakit.model.order import COMPUTED, EXPORT, ORDER, RAW, before
from datakit.model.stage import Stage
from datakit.registry import Family
from datakit.repo.dataset import Dataset, open_dataset
from datakit.repo.pipeline import Step
from datakit.repo.transaction import recover

STAGES: Family[Stage] = Family("stages", Stage, "STAGE", word="stage")
BAKE: Final = "bake"


class Project:
    """A dataset and what its dsk.toml says, decoded section by section as it is asked for."""

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset

    @cached_property
    def tables(self) -> Mapping[str, Any]:
        """The tables of dsk.toml.

        Raises:
            ConfigError: an unknown table, or one that is none.
        """
        tables = self.dataset.settings()
        check_keys(tables, [*ORDER, BAKE], where=CONFIG_NAME)
        return tables

    def settings(self, stage: str) -> Any:
        """Settings of one stage."""
        table = dict(self.tables.get(stage, {}))
        if stage == EXPORT:
            for name in EXPORTS.names():
                table.pop(name, None)
        return decode(table, STAGES.load(stage).settings, where=f"{CONFIG_NAME} [{stage}]")

    def export_settings(self, name: str) -> Any:
        """Settings of one export format."""
        table = self.tables.get(EXPORT, {}).get(name, {})
        return decode(table, EXPORTS.load(name).settings, where=f"{CONFIG_NAME} [{EXPORT}.{name}]")

    def step(self, stage: str) -> Step:
        """One computed stage, ready to run."""
        return Step(stage=STAGES.load(stage), settings=self.settings(stage), source=before(stage))

    def steps(self) -> list[Step]:
        """All computed stages in order."""
        return [self.step(stage) for stage in COMPUTED]

    def check(self) -> None:
        """Decode everything.

        Raises:
            ConfigError: the first mistake of dsk.toml.
        """
        for stage in (RAW, *COMPUTED, EXPORT):
            self.settings(stage)
        for name in EXPORTS.names():
            if name in self.tables.get(EXPORT, {}):
                self.export_settings(name)


def open_project(start: Path) -> Project:
    """Open the dataset around `start`, tidied up if a process died in it.

    Raises:
        RepositoryError: not a dataset.
    """
    dataset = open_dataset(start)
    recover(dataset)
    return Project(dataset)


class Counted(msgspec.Struct, frozen=True):
    """A number of things, for sentences."""

    number: int
    word: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.word}" if self.number == 1 else f"{self.number:,} {self.word}s"
