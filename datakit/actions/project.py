"""An open dataset together with its decoded settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.profilefiles import profile_text, profile_text_in
from datakit.config import CONFIG_NAME, check_keys, decode
from datakit.errors import ConfigError
from datakit.exports.asking import COMMON_KEYS, NO_FLAGS, read_asked
from datakit.exports.model import EXPORTS
from datakit.exports.publishing import PublishSettings
from datakit.exports.settings import Asked, Flags
from datakit.lint.settings import LintSettings
from datakit.model.order import COMPUTED, EXPORT, ORDER, RAW, before
from datakit.model.stage import Prepared, Resources, Stage, prepared
from datakit.registry import Family
from datakit.repo.dataset import Dataset, open_dataset
from datakit.repo.operations.transaction import recover
from datakit.repo.transitions.pipeline import Step, staleness
from datakit.repo.vocabularies import VOCAB, VocabSettings, load_vocabulary, read_sources
from datakit.tags.vocabulary.compiling import digest_of
from datakit.tags.vocabulary.known import Vocabulary

STAGES: Family[Stage] = Family("stages", Stage, "STAGE", word="stage")
BAKE: Final = "bake"
LINT: Final = "lint"
PUBLISH: Final = "publish"
BAKE_TABLES: Final = (
    *("model", "text", "dataset", "captions", "adapter", "objective", "timesteps"),
    *("noise", "loss", "optimizer", "schedule", "memory", "ema", "train", "validation", "sample", "log", "output"),
)
"""Of `[bake]`; what may stand in them the trainer says."""
PRESET: Final = "preset"
"""The one key of `[bake]` that is no table: settings to start from, by their name."""


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
        check_keys(tables, [*ORDER, VOCAB, LINT, BAKE, PUBLISH], where=CONFIG_NAME)
        return tables

    def table(self, *names: str) -> dict[str, Any]:
        """One table of dsk.toml, `[a.b]` by ("a", "b"); empty where there is none.

        Raises:
            ConfigError: something else stands there.
        """
        found: Any = self.tables
        for depth, name in enumerate(names, 1):
            found = found.get(name, {})
            if not isinstance(found, dict):
                where = ".".join(names[:depth])
                raise ConfigError(f"{CONFIG_NAME}: '{where}' is a table, not a value", hint=f"write [{where}]")
        return dict(found)

    def settings(self, stage: str) -> Any:
        """Settings of one stage."""
        table, kind = self.table(stage), STAGES.load(stage).settings
        own = [field.encode_name for field in msgspec.structs.fields(kind)]
        if table and not own:
            raise ConfigError(f"{CONFIG_NAME} [{stage}]: '{next(iter(table))}': {stage} has no settings")
        if stage == EXPORT:
            check_keys(table, [*own, *COMMON_KEYS, *EXPORTS.names()], where=f"{CONFIG_NAME} [{stage}]")
            table = {name: value for name, value in table.items() if name in own}
        settings: Any = decode(table, kind, where=f"{CONFIG_NAME} [{stage}]")
        if stage == EXPORT:
            check_keys(dict.fromkeys(settings.formats), EXPORTS.names(), where=f"{CONFIG_NAME} [{stage}] formats")
        return settings

    def export_asked(self, name: str, flags: Flags = NO_FLAGS) -> Asked:
        """All that decides how a format is written: `[export]` with `[export.<name>]` over it, flags over both."""
        self.table(EXPORT, name)
        return read_asked(self.table(EXPORT), name, bake=self.table(BAKE), flags=flags)

    @property
    def vocab_settings(self) -> VocabSettings:
        """Section `[vocab]`."""
        return decode(self.table(VOCAB), VocabSettings, where=f"{CONFIG_NAME} [{VOCAB}]")

    @property
    def lint_settings(self) -> LintSettings:
        """Section `[lint]`; the settings of single rules are decoded where rules are loaded."""
        return decode(self.table(LINT), LintSettings, where=f"{CONFIG_NAME} [{LINT}]")

    @property
    def publish_settings(self) -> PublishSettings:
        """Section `[publish]`."""
        return decode(self.table(PUBLISH), PublishSettings, where=f"{CONFIG_NAME} [{PUBLISH}]")

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the dataset knows of tags.

        Raises:
            ConfigError: one of its files is missing, unreadable or wrong; names it and the line.
        """
        return load_vocabulary(self.dataset.root, self.dataset.private, self.vocab_settings)

    @cached_property
    def vocabulary_digest(self) -> str:
        """Of the vocabulary, without compiling it; '' where it knows nothing."""
        return digest_of(read_sources(self.dataset.root, self.vocab_settings))

    def prepared(self, stage: Stage, settings: Any) -> Prepared:
        """A stage's settings with the files that they name, as they stand in the work tree."""
        return prepared(stage, settings, self._resources(lambda name: profile_text(self.dataset.root, name)))

    def prepared_at(self, stage: Stage, settings: Any, tree: bytes | None) -> Prepared:
        """A stage's settings with the files that they name, as they stand in a tree; the vocabulary is that of now."""
        return prepared(stage, settings, self._resources(lambda name: profile_text_in(self.dataset, tree, name)))

    def _resources(self, read_profile: Callable[[str], str]) -> Resources:
        return Resources(
            vocabulary=lambda: self.vocabulary,
            vocabulary_digest=lambda: self.vocabulary_digest,
            profile_text=read_profile,
            tagger=lambda name: _tagger(name, self.dataset.root),
        )

    def step(self, stage: str) -> Step:
        """One computed stage, ready to run."""
        found, settings = STAGES.load(stage), self.settings(stage)
        return Step(stage=found, settings=settings, source=before(stage), prepared=self.prepared(found, settings))

    def steps(self) -> list[Step]:
        """All computed stages in order."""
        return [self.step(stage) for stage in COMPUTED]

    def stale(self, stage: str, root: bytes | None) -> str:
        """Why a computed stage must run again, or which file that it needs is wrong; '' when it is up to date.

        Raises:
            ConfigError: a mistake in dsk.toml itself.
        """
        self.settings(stage)
        try:
            return staleness(self.dataset, root, self.step(stage))
        except ConfigError as error:
            return error.message

    def check(self) -> None:
        """Decode everything, and the files that stages need.

        Raises:
            ConfigError: the first mistake of dsk.toml, or of such a file.
        """
        self.check_settings()
        for stage in (RAW, *COMPUTED, EXPORT):
            self.prepared(STAGES.load(stage), self.settings(stage))

    def check_settings(self) -> None:
        """Decode all of dsk.toml, whatever the files say that it names.

        Raises:
            ConfigError: the first mistake.
        """
        for stage in (RAW, *COMPUTED, EXPORT):
            self.settings(stage)
        said = self.table(EXPORT)
        used = [name for name in EXPORTS.names() if name in said or name in self.settings(EXPORT).formats]
        for name in used or EXPORTS.names()[:1]:  # each that is asked imports a format; the first reads [export] too
            self.export_asked(name)
        _ = self.vocab_settings, self.lint_settings, self.publish_settings
        check_keys(self.table(BAKE), [*BAKE_TABLES, PRESET], where=f"{CONFIG_NAME} [{BAKE}]")
        for name in self.table(BAKE):
            if name != PRESET:
                self.table(BAKE, name)


def open_project(start: Path) -> Project:
    """Open the dataset around `start`, tidied up if a process died in it.

    Raises:
        RepositoryError: not a dataset.
    """
    dataset = open_dataset(start)
    recover(dataset)
    return Project(dataset)


def _tagger(name: str, root: Path) -> Any:
    """What a dataset without taggers never imports."""
    from datakit.taggers.finding import find_tagger

    return find_tagger(name, root=root)


class Counted(msgspec.Struct, frozen=True):
    """A number of things, for sentences."""

    number: int
    word: str

    def __str__(self) -> str:
        return f"{self.number:,} {self.word}" if self.number == 1 else f"{self.number:,} {self.word}s"
