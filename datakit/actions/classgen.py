"""dsk classgen: regularization pictures of a class, made by the base model and taken into raw as a concept.

The trainer makes them, with the model of [bake]; then they are imported as any folder is, and the concept is marked
in dsk.toml, so that exports say what it is for.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import tomllib
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.importing import ImportReport, Wishes, import_folder
from datakit.actions.project import Counted, Project
from datakit.actions.trainerprogram import InterruptedBakeError, require_trainer, run_trainer, toml_of, trainer_settings
from datakit.config import CONFIG_NAME
from datakit.errors import TrainerError, UsageError
from datakit.exports.settings import Concept
from datakit.model.item import concept_of
from datakit.model.order import EXPORT, RAW
from datakit.model.progress import Progress, silent
from datakit.model.record import compact_json
from datakit.repo.operations.transaction import transaction
from datakit.repo.stagetree import read_items, stage_tree
from datakit.sources.classgen import SOURCE

_FOLDER: Final = "classgen"
"""Of pictures that are being made, below `.dsk`."""
_CONFIG: Final = "config.toml"
_CONCEPTS: Final = "concepts"


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Pictures of a class."""

    concept: str
    """Where they go."""
    prompts: tuple[str, ...]
    """They take turns; `{a|b}` in one is a choice."""
    count: int = 100
    sizes: tuple[str, ...] = ()
    """`832x1216`; they take turns. Empty: as in [bake.sample]."""
    seed: int | None = None
    negative: str | None = None
    batch: int = 1
    """Pictures made at once."""


class ClassPictures(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it."""

    concept: str
    report: ImportReport
    marked: str = ""
    """The commit that marks the concept in dsk.toml; '' where it was marked, or could not be."""
    lines: str = ""
    """What is to be written into dsk.toml by hand; '' where nothing is."""


def classgen(project: Project, wanted: Wanted, *, progress: Progress = silent) -> ClassPictures:
    """Make the pictures, import them, mark their concept; goes on where it was stopped.

    Raises:
        UsageError: the concept holds other images.
        ConfigError: [bake] is wrong.
        TrainerError: the trainer is not installed, or stopped.
    """
    require_trainer()
    project.check()
    _refuse_other_images(project, wanted.concept)
    folder = _made(project, wanted)
    wishes = Wishes(concept=wanted.concept, source=SOURCE.name)
    report = import_folder(project, folder / _FOLDER, wishes, progress=progress)
    shutil.rmtree(folder)
    concept = next(iter(report.concepts), wanted.concept)
    marked, lines = _mark(project, concept, wanted.prompts[0])
    return ClassPictures(concept=concept, report=report, marked=marked, lines=lines)


def _refuse_other_images(project: Project, concept: str) -> None:
    """A subject's own images are never marked as regularization."""
    dataset = project.dataset
    items = read_items(dataset, stage_tree(dataset, dataset.head_tree, RAW))
    if any(concept_of(key) == concept for key in items) and not _settings(project, concept).is_reg:
        raise UsageError(
            f"concept '{concept}' has images already",
            hint=f"name another concept, or set is_reg = true under [{_table(concept)}] if they are regularization",
        )


def _settings(project: Project, concept: str) -> Concept:
    table = project.table(EXPORT, _CONCEPTS)
    return msgspec.convert(table.get(concept, {}), Concept)


def _made(project: Project, wanted: Wanted) -> Path:
    """The folder with the pictures; of the same request always the same one, however many are wanted of it."""
    config = trainer_settings(project)
    asked = msgspec.to_builtins(msgspec.structs.replace(wanted, count=0))
    name = hashlib.sha256(compact_json([asked, config])).hexdigest()[:12]
    folder: Path = project.dataset.private / _FOLDER / name
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _CONFIG).write_text(toml_of(config), "utf-8")
    options = [part for prompt in wanted.prompts for part in ("--prompt", prompt)]
    options += [part for size in wanted.sizes for part in ("--size", size)]
    options += [] if wanted.seed is None else ["--seed", str(wanted.seed)]
    options += [] if wanted.negative is None else ["--negative", wanted.negative]
    options += ["--count", str(wanted.count), "--batch", str(wanted.batch), "--out", str(folder / _FOLDER)]
    try:
        run_trainer(["classgen", str(folder / _CONFIG), *options])
    except InterruptedBakeError as error:
        raise InterruptedBakeError("stopped", hint="the same dsk classgen goes on where it stopped") from error
    except TrainerError:
        if not (folder / _FOLDER).exists():
            shutil.rmtree(folder)  # it never began
        raise
    return folder


def _mark(project: Project, concept: str, prompt: str) -> tuple[str, str]:
    """(Commit, what to write by hand), either of them '' or both."""
    if _settings(project, concept).is_reg:
        return "", ""
    with transaction(project.dataset, "classgen", {"concept": concept, "prompt": prompt}) as txn:
        path = project.dataset.root / CONFIG_NAME
        new = with_mark(path.read_bytes().decode("utf-8-sig") if path.exists() else "", concept)
        if new is None:
            return "", f"[{_table(concept)}]\nis_reg = true"
        txn.put(CONFIG_NAME, new.encode())
        return txn.commit(f"classgen: {concept} is for regularization") or "", ""


def with_mark(text: str, concept: str) -> str | None:
    """The settings with `is_reg = true` for a concept, else as they were; None where they cannot be added to."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError
    from tomlkit.items import InlineTable

    try:
        meant: dict[str, Any] = tomllib.loads(text)
        meant.setdefault(EXPORT, {}).setdefault(_CONCEPTS, {}).setdefault(concept, {})["is_reg"] = True
        document: Any = tomlkit.parse(text)
        place = document
        for name in (EXPORT, _CONCEPTS, concept):
            if name not in place:
                is_inline = isinstance(place, InlineTable)
                place[name] = tomlkit.inline_table() if is_inline else tomlkit.table(is_super_table=name != concept)
            place = place[name]
        place["is_reg"] = True
        new = tomlkit.dumps(document)
        new = re.sub(r"(?<!\r)\n", "\r\n", new) if "\r\n" in text else new
        return new if tomllib.loads(new) == meant else None
    except (TOMLKitError, ValueError, TypeError, AttributeError):
        return None


def _table(concept: str) -> str:
    is_bare = re.fullmatch(r"[A-Za-z0-9_-]+", concept) is not None
    return f"{EXPORT}.{_CONCEPTS}.{concept}" if is_bare else f'{EXPORT}.{_CONCEPTS}."{concept}"'


def told(done: ClassPictures) -> str:
    """The result in one line."""
    new = Counted(done.report.num_imported, "picture")
    there = f", {len(done.report.already):,} were there" if done.report.already else ""
    return f"{new} in {RAW}/{done.concept}{there}"
