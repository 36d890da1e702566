"""dsk bake: run the trainer on the export, and keep what came of it.

The trainer is a program of its own, fed by the kohya export's dataset.toml; here it is started, watched and
written into the ledger.
"""

from __future__ import annotations

import contextlib
import itertools
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.asking import NO_WISHES, Wishes, asked_tables
from datakit.actions.bakes.ledger import LEDGER, Bake, encode
from datakit.actions.bakes.results import read_result
from datakit.actions.exporting.making import MENDED
from datakit.actions.exporting.manifests import export_staleness, read_manifest
from datakit.actions.exporting.writing import stale_before_wip
from datakit.actions.linting.preflight import OURS, preflight, refusal, without_items
from datakit.actions.project import BAKE, Project
from datakit.actions.trainerprogram import (
    CONFIG,
    FORMAT,
    InterruptedBakeError,
    require_trainer,
    run_trainer,
    toml_of,
    trainer_settings,
)
from datakit.config import CONFIG_NAME
from datakit.errors import ConfigError, StateError, TrainerError
from datakit.exports.asking import words_of
from datakit.exports.model import EXPORTS, MANIFEST_NAME, Ignored, Manifest
from datakit.model.order import EXPORT, WIP
from datakit.repo.operations.transaction import transaction

DATA: Final = "data"
"""Folder of the pictures of a bake that has some of its own, in its folder."""
_RESULT: Final = "result.json"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One bake, worked out; its folder is yet to be found."""

    asked: dict[str, Any]
    """What the ledger keeps as asked for."""
    settings: dict[str, Any]
    """What the trainer gets."""
    manifest: bytes
    """Of the data."""
    fill: Callable[[Path], None] | None = None
    """Writes the pictures into a folder, which are then used in the place of the export's."""
    processes: int = 0
    ignored: tuple[Ignored, ...] = ()
    note: str = ""
    repeats: str = ""
    """Id of the bake that is made again."""

    def config(self, folder: Path) -> str:
        """The trainer's TOML of a bake in that folder."""
        dataset = self.settings.get("dataset", {})
        if self.fill:
            dataset = {**dataset, "config": str(folder / DATA / "dataset.toml")}
        output = {**self.settings.get("output", {}), "dir": str(folder), "name": folder.name}
        return toml_of({**self.settings, "dataset": dataset, "output": output})

    def words(self, config: Path) -> list[str]:
        """The trainer's command."""
        return ["run", str(config), *(["--processes", str(self.processes)] if self.processes else [])]


def bake(project: Project, wishes: Wishes = NO_WISHES) -> Bake:
    """Train on the current export; goes on with an interrupted bake of the same data and settings.

    Raises:
        StateError: nothing exported, or the export is older than the dataset, or lint finds errors in it and there is
            no `force`.
        ConfigError: [bake] is wrong.
        TrainerError: the trainer is not installed, or stopped.
    """
    require_trainer()
    project.check()
    with transaction(project.dataset, BAKE):
        pass  # commits hand edits, so that what is baked is what the history says
    manifest = current_manifest(project)
    ignored = preflight_of_bake(project, manifest, force=wishes.force)
    job = job_of(project, wishes)
    return run_job(project, msgspec.structs.replace(job, ignored=ignored))


def dry_run(project: Project, wishes: Wishes) -> None:
    """Let the trainer say what it would do; nothing is changed.

    Raises:
        DskError: as `bake` does, apart from what lint finds.
    """
    project.check()
    current_manifest(project)
    job = job_of(project, wishes)
    with tempfile.TemporaryDirectory(prefix="dsk-bake-") as scratch:
        config = Path(scratch) / CONFIG
        config.write_text(job.config(_new_folder(project)), "utf-8")
        with told_refusals():
            run_trainer([*job.words(config), "--dry-run"], is_result=True)


def job_of(project: Project, wishes: Wishes) -> Job:
    """The bake of the export as it stands."""
    asked = asked_tables(project, wishes)
    manifest = (project.dataset.root / EXPORT / FORMAT / MANIFEST_NAME).read_bytes()
    settings = trainer_settings(project, asked)
    return Job(asked=asked, settings=settings, manifest=manifest, processes=wishes.processes, note=wishes.note)


def run_job(project: Project, job: Job) -> Bake:
    """Train, and enter the bake into the ledger."""
    folder = folder_of(project, job)
    if not (folder / _RESULT).exists():  # it is there when only the ledger's commit failed
        _train(folder, job)
    done = read_result(project, folder, job.manifest)
    said = {"ignored": job.ignored, "note": job.note, "repeats": job.repeats, "config": job.asked}
    done = msgspec.structs.replace(done, **said)
    args = {"id": done.id, "repeats": job.repeats}
    with transaction(project.dataset, BAKE, args) as txn:
        txn.put(LEDGER.format(done.id), encode(done).encode())
        again = f"{job.repeats} again, " if job.repeats else ""
        txn.commit(f"bake: {done.id}, {again}{done.images} images, {done.steps} steps, loss {done.final_loss:.4f}")
    return done


def preflight_of_bake(project: Project, manifest: Manifest, *, force: bool) -> tuple[Ignored, ...]:
    """The errors that were gone past in what is trained on.

    Raises:
        StateError: there are some, and there is no `force`.
    """
    if manifest.flags.stage not in ("", WIP):
        return ()
    unasked = manifest.left_out if manifest.flags.where else ()
    mended = EXPORTS.load(FORMAT).mends | MENDED
    found = preflight(project, OURS, force=True, mended=mended, needs_content=True)
    errors = without_items(found, unasked)
    if errors and not force:
        raise refusal(errors, OURS)
    return errors


def _train(folder: Path, job: Job) -> None:
    try:
        if job.fill:
            job.fill(folder / DATA)
        with told_refusals():
            run_trainer(job.words(folder / CONFIG))
    except InterruptedBakeError as error:
        raise InterruptedBakeError(error.message, hint="the same dsk bake goes on where it stopped") from error
    except TrainerError as error:
        if _never_began(folder, error):
            shutil.rmtree(folder, ignore_errors=True)
        raise
    except ConfigError:
        if _never_began(folder, None):
            shutil.rmtree(folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def told_refusals() -> Iterator[None]:
    """Say where the settings are that the trainer refuses: in [bake], not in the file that it was given.

    Raises:
        ConfigError: in the place of the trainer's error.
    """
    try:
        yield
    except TrainerError as error:
        if error.exit_code != ConfigError.exit_code:
            raise
        hint = f"its [train] is [{BAKE}.train], with --set and --preset over it; python -m trainer fields lists all"
        raise ConfigError(f"{CONFIG_NAME} [{BAKE}]: the trainer refuses it; its reason is above", hint=hint) from error


def _never_began(folder: Path, error: TrainerError | None) -> bool:
    """Whether the folder holds no work: neither of this bake, nor of one at the same time, which is refused so."""
    if error is not None and error.exit_code == StateError.exit_code:
        return False
    return {path.name for path in folder.glob("*")} <= {CONFIG, MANIFEST_NAME, DATA}


def current_manifest(project: Project) -> Manifest:
    """The manifest of the export, which is as new as the dataset.

    Raises:
        StateError: it is not, or there is nothing in it.
    """
    dataset, root = project.dataset, project.dataset.head_tree
    stale = stale_before_wip(project)
    if stale:
        stage, reason = next(iter(stale.items()))
        raise StateError(f"{stage} is out of date: {reason}", hint="dsk advance, then dsk bake")
    reason = export_staleness(project, root, FORMAT)
    manifest = read_manifest(dataset, root, FORMAT)
    if manifest is None:
        raise StateError("nothing to train on: wip is not exported yet", hint=f"dsk export --format {FORMAT}")
    if reason:
        raise StateError(
            f"the {FORMAT} export is out of date: {reason}",
            hint=f"dsk export --format {FORMAT}{words_of(manifest.flags)}",
        )
    if not manifest.items:
        raise StateError("nothing to train on: the export is empty", hint="dsk import PATH, then dsk advance")
    return manifest


def folder_of(project: Project, job: Job) -> Path:
    """The folder of the bake with this very configuration and data that is not in the ledger yet, or of a new one."""
    ledger = project.dataset.root / "bakes"
    for folder in sorted((project.dataset.private / "bakes").glob("*"), reverse=True):
        if not (ledger / f"{folder.name}.toml").exists() and _same_run(folder, job):
            return folder
    folder = _made_folder(project)
    (folder / MANIFEST_NAME).write_bytes(job.manifest)
    (folder / CONFIG).write_text(job.config(folder), "utf-8")
    return folder


def _made_folder(project: Project) -> Path:
    """A new bake's folder; where another bake begins at the same moment, each gets its own."""
    while True:
        folder = _new_folder(project)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(parents=True)
            return folder


def _new_folder(project: Project) -> Path:
    """Where a new bake goes, which is not made yet."""
    bakes, ledger = project.dataset.private / "bakes", project.dataset.root / "bakes"
    day = time.strftime("%Y-%m-%d")
    names = (f"{day}-{serial:03d}" for serial in itertools.count(1))
    free = (name for name in names if not (bakes / name).exists() and not (ledger / f"{name}.toml").exists())
    return bakes / next(free)


def _same_run(folder: Path, job: Job) -> bool:
    try:
        same_config = (folder / CONFIG).read_text("utf-8") == job.config(folder)
        return same_config and (folder / MANIFEST_NAME).read_bytes() == job.manifest
    except OSError:
        return False
