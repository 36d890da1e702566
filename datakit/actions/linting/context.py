"""What lint knows besides the files: of a dataset's stage what dsk.toml says, of a folder what dsk-lint.toml says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

import msgspec

from datakit.actions.exporting.buckets import training_of_export
from datakit.actions.exporting.manifests import export_staleness, read_manifest
from datakit.actions.project import Project
from datakit.actions.tokenizing import load_tokenizer
from datakit.config import check_keys, decode, digest
from datakit.errors import InputError, UsageError
from datakit.exports.model import EXPORTS
from datakit.lint.context import Context, StageState, TokenCounter, Training
from datakit.lint.engine import RULES
from datakit.lint.rules import conflicting_tags, underscore_in_tag
from datakit.lint.settings import LintSettings, TrainingSettings
from datakit.lint.targets.model import TARGETS, Target
from datakit.model.item import concept_of, is_image, split_path
from datakit.model.order import COMPUTED, RAW, WIP
from datakit.model.record import Record, decode_record
from datakit.repo.stagetree import read_items, read_lock, stage_tree
from datakit.tags.captions import parse_tags
from datakit.tags.names import to_canonical
from datakit.tags.patterns import TagPatterns


def targets_named(names: Iterable[str]) -> tuple[Target, ...]:
    """The trainers that are aimed at.

    Raises:
        UsageError: no such trainer; the nearest is named.
    """
    known = {name.replace("_", "-"): name for name in TARGETS.names()}
    for name in names:
        if name not in known:
            raise UsageError(f"no trainer '{name}' to lint for", hint=f"one of: {', '.join(known)}")
    return tuple(TARGETS.load(known[name]) for name in dict.fromkeys(names))


def options_of(settings: LintSettings, *, where: str) -> Mapping[type[msgspec.Struct], Any]:
    """Type of a rule's options → what `[lint.rules.<name>]` says.

    Raises:
        ConfigError: a rule that has no options, or a mistake in them.
    """
    types = {rule.name: rule.options for rule in RULES.all() if rule.options is not None}
    check_keys(settings.rules, list(types), where=f"{where} [lint.rules]")
    return {
        types[name]: decode(table, types[name], where=f"{where} [lint.rules.{name}]")
        for name, table in settings.rules.items()
    }


def training_of(chosen: TrainingSettings, known: Training, *, resolution: int = 0) -> Training:
    """How the images will be trained: as `known`, where neither the settings nor the command line say otherwise."""
    size = resolution or chosen.resolution or known.resolution_px
    return msgspec.structs.replace(
        known,
        resolution_px=(size, size) if isinstance(size, int) else size,
        batch_size=chosen.batch_size or known.batch_size,
        max_tokens=chosen.max_tokens or known.max_tokens,
    )


def token_counter() -> TokenCounter:
    """CLIP's tokenizer; it is made when it is first asked."""

    @cache
    def count(text: str) -> int:
        return load_tokenizer().count(text)

    return TokenCounter(count, lambda words: load_tokenizer().counts(words))


class StageContexts:
    """The contexts of a dataset's stages; what is dear is worked out when a rule asks for it."""

    def __init__(self, project: Project, common: Context) -> None:
        self._project = project
        self._common = common
        self._record = _records(project)

    def of(self, stage: str, paths: Sequence[str]) -> Context:
        """The context of one stage; `paths` are the files in it."""
        concepts = sorted({concept_of(path) for path in paths})
        return msgspec.structs.replace(
            self._common,
            training=self._training(concepts),
            vocabulary=self._project.vocabulary,
            triggers=self._triggers(concepts),
            blacklisted=self._blacklisted(),
            record=self._record,
            state=self._state(stage),
            digest=digest(self._project.tables),
            options=self._options(),
        )

    def _options(self) -> Mapping[type[msgspec.Struct], Any]:
        """What rules were told, and what `[cleaned]` says of the same things."""
        cleaned, found = self._project.settings("cleaned"), dict(self._common.options)
        if cleaned.exclusive:
            names = self._project.vocabulary.canonical if cleaned.aliases else str
            rows = tuple(tuple(names(to_canonical(tag)) for tag in row) for row in cleaned.exclusive)
            conflicts = self._common.option(conflicting_tags.Options)
            exclusive = (*conflicts.exclusive, *rows)
            found[conflicting_tags.Options] = msgspec.structs.replace(conflicts, exclusive=exclusive)
        said = self._project.lint_settings.rules.get(underscore_in_tag.RULE.name, {})
        if cleaned.keep_underscores and "spelling" not in said:
            underscores = self._common.option(underscore_in_tag.Options)
            found[underscore_in_tag.Options] = msgspec.structs.replace(underscores, spelling="underscores")
        return found

    def _training(self, concepts: Iterable[str]) -> Training:
        export = self._project.export_asked("kohya").common
        repeats = {
            concept: (export.concepts[concept].repeats if concept in export.concepts else None) or export.repeats
            for concept in concepts
        }
        regularization = frozenset(concept for concept, one in export.concepts.items() if one.is_reg)
        known = msgspec.structs.replace(training_of_export(export), repeats=repeats, regularization=regularization)
        said = self._common.training
        chosen = self._project.lint_settings.training
        asked = said.resolution_px[0] if said != Training() else 0
        return training_of(chosen, known, resolution=asked)

    def _triggers(self, concepts: Iterable[str]) -> dict[str, tuple[str, ...]] | None:
        cleaned = self._project.settings("cleaned")
        if not cleaned.trigger and not any(cleaned.triggers.values()):
            return None
        words = {concept: parse_tags(cleaned.triggers.get(concept, cleaned.trigger)) for concept in concepts}
        return {concept: found for concept, found in words.items() if found}

    def _blacklisted(self) -> Callable[[str], bool]:
        own = TagPatterns(self._project.settings("cleaned").blacklist)
        others = self._project.vocabulary.blacklist()
        return lambda tag: tag in own or tag in others

    def _state(self, stage: str) -> StageState:
        dataset = self._project.dataset
        root = dataset.head_tree
        lock = read_lock(dataset, root, stage)
        stale = self._project.stale(stage, root) if stage in COMPUTED and lock is not None else ""
        return StageState(
            stale=stale,
            conflicts=_conflicts(lock.conflicts if lock else ()),
            origins=None if stage == RAW else lambda: self._origins,
            stale_exports=self._stale_exports() if stage == WIP else {},
        )

    @cached_property
    def _origins(self) -> frozenset[str]:
        dataset = self._project.dataset
        return frozenset(read_items(dataset, stage_tree(dataset, dataset.head_tree, RAW)))

    def _stale_exports(self) -> dict[str, str]:
        dataset, found = self._project.dataset, {}
        root = dataset.head_tree
        for name in EXPORTS.names():
            if read_manifest(dataset, root, name) is not None:
                found[name] = export_staleness(self._project, root, name)
        return {name: reason for name, reason in found.items() if reason}


def _conflicts(paths: Iterable[str]) -> dict[str, str]:
    """Item → `image`, `caption` or both, of the paths of files that both sides changed."""
    found: dict[str, list[str]] = {}
    for path in sorted(paths):
        found.setdefault(split_path(path)[0], []).append("image" if is_image(path) else "caption")
    return {key: " and ".join(dict.fromkeys(words)) for key, words in found.items()}


def _records(project: Project) -> Callable[[str], Record | None]:
    """Item → its record; None for an item without one, or with one that is not of dsk's making."""
    dataset = project.dataset

    @cache
    def blobs() -> Mapping[str, bytes | None]:
        raw = read_items(dataset, stage_tree(dataset, dataset.head_tree, RAW))
        return {key: files.record for key, files in raw.items()}

    def record(key: str) -> Record | None:
        blob = blobs().get(key)
        if blob is None:
            return None
        try:
            return decode_record(dataset.objects.read(blob), path=f"{RAW}/{key}.json", upstream=False)
        except InputError:
            return None

    return record
