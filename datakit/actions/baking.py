"""dsk bake and dsk sample: run the trainer on the export, and keep what came of it.

The trainer is a program of its own, fed by the kohya export's dataset.toml; here it is started, watched and
written into the ledger.
"""

from __future__ import annotations

import itertools
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.exporting.making import MENDED
from datakit.actions.exporting.manifests import export_staleness, read_manifest
from datakit.actions.exporting.writing import stale_before_wip
from datakit.actions.linting.preflight import OURS, preflight, refusal, without_items
from datakit.actions.project import BAKE, Project
from datakit.actions.trainerprogram import (
    FORMAT,
    InterruptedBakeError,
    require_trainer,
    run_trainer,
    toml_of,
    trainer_settings,
)
from datakit.config import CONFIG_NAME, read_toml
from datakit.errors import ConfigError, InputError, StateError, TrainerError
from datakit.exports.asking import NO_FLAGS, words_of
from datakit.exports.model import EXPORTS, Ignored, Manifest
from datakit.exports.settings import Flags
from datakit.model.order import EXPORT, WIP
from datakit.repo.operations.transaction import transaction

LEDGER: Final = "bakes/{}.toml"
"""Path of a bake's ledger file, by its id."""
_CONFIG: Final = "config.toml"
_RESULT: Final = "result.json"
_MANIFEST: Final = "manifest.json"


class Bake(msgspec.Struct, frozen=True, kw_only=True):
    """One finished bake, as its ledger file has it."""

    id: str
    commit: str
    """The dataset's commit whose wip was trained on."""
    lora: str
    """Path of what was made, from the dataset's root: an adapter, a checkpoint, a folder of one, an embedding."""
    grid: str = ""
    """Path of the before/after picture, from the dataset's root; '' for none."""
    images: int
    steps: int
    first_loss: float
    final_loss: float
    seconds: float
    device: str
    config: dict[str, Any] = {}
    """What was asked for: the tables of [bake]."""
    export: Flags = NO_FLAGS
    """What `dsk export` was told of what was trained on: a query, another stage than wip."""
    versions: dict[str, str] = {}
    ignored: tuple[Ignored, ...] = ()
    """The errors that lint found in wip for our trainer, and that `--force` went past."""


def bake(project: Project, *, force: bool = False) -> Bake:
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
    manifest = _current_manifest(project)
    ignored = _preflight(project, manifest, force=force)
    folder = _folder(project, trainer_settings(project))
    if not (folder / _RESULT).exists():  # it is there when only the ledger's commit failed
        _train(folder)
    done = msgspec.structs.replace(_read_result(project, folder, manifest), ignored=ignored)
    with transaction(project.dataset, BAKE, {"id": done.id}) as txn:
        txn.put(LEDGER.format(done.id), _ledger(done).encode())
        txn.commit(f"bake: {done.id}, {done.images} images, {done.steps} steps, loss {done.final_loss:.4f}")
    return done


def _preflight(project: Project, manifest: Manifest, *, force: bool) -> tuple[Ignored, ...]:
    """The errors that were gone past in what is trained on."""
    if manifest.flags.stage not in ("", WIP):
        return ()
    unasked = manifest.left_out if manifest.flags.where else ()
    mended = EXPORTS.load(FORMAT).mends | MENDED
    found = preflight(project, OURS, force=True, mended=mended, needs_content=True)
    errors = without_items(found, unasked)
    if errors and not force:
        raise refusal(errors, OURS)
    return errors


def _train(folder: Path) -> None:
    try:
        run_trainer(["run", str(folder / _CONFIG)])
    except InterruptedBakeError as error:
        raise InterruptedBakeError(error.message, hint="dsk bake goes on where it stopped") from error
    except TrainerError as error:
        if _never_began(folder, error):
            shutil.rmtree(folder, ignore_errors=True)
        if error.exit_code == ConfigError.exit_code:
            hint = f"its [train] is [{BAKE}.train]; python -m trainer fields lists every setting"
            raise ConfigError(
                f"{CONFIG_NAME} [{BAKE}]: the trainer refuses it; its reason is above", hint=hint
            ) from error
        raise


def _never_began(folder: Path, error: TrainerError) -> bool:
    """Whether the folder holds no work: neither of this bake, nor of one at the same time, which is refused so."""
    if error.exit_code == StateError.exit_code:
        return False
    return {path.name for path in folder.glob("*")} <= {_CONFIG, _MANIFEST}


def _current_manifest(project: Project) -> Manifest:
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


def _folder(project: Project, config: dict[str, Any]) -> Path:
    """The folder of the bake with this very configuration and data that is not in the ledger yet, or of a new one."""
    bakes = project.dataset.private / "bakes"
    manifest = (project.dataset.root / EXPORT / FORMAT / _MANIFEST).read_bytes()
    ledger = project.dataset.root / "bakes"
    for folder in sorted(bakes.glob("*"), reverse=True):
        if not (ledger / f"{folder.name}.toml").exists() and _same_run(folder, config, manifest):
            return folder
    day = time.strftime("%Y-%m-%d")
    names = (f"{day}-{serial:03d}" for serial in itertools.count(1))
    free = (name for name in names if not (bakes / name).exists() and not (ledger / f"{name}.toml").exists())
    folder = bakes / next(free)
    folder.mkdir(parents=True)
    (folder / _MANIFEST).write_bytes(manifest)
    (folder / _CONFIG).write_text(toml_of(_with_output(config, folder)), "utf-8")
    return folder


def _with_output(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    return {**config, "output": {**config.get("output", {}), "dir": str(folder), "name": folder.name}}


def _same_run(folder: Path, config: dict[str, Any], manifest: bytes) -> bool:
    try:
        same_config = (folder / _CONFIG).read_text("utf-8") == toml_of(_with_output(config, folder))
        return same_config and (folder / _MANIFEST).read_bytes() == manifest
    except OSError:
        return False


def _read_result(project: Project, folder: Path, manifest: Manifest) -> Bake:
    result = msgspec.json.decode((folder / _RESULT).read_bytes(), type=dict[str, Any])
    shown = folder.relative_to(project.dataset.root)
    return Bake(
        id=folder.name,
        commit=manifest.commit,
        lora=f"{shown}/{result['lora']}",
        grid=f"{shown}/{result['grid']}" if result.get("grid") else "",
        images=result["images"],
        steps=result["steps"],
        first_loss=result["first_loss"],
        final_loss=result["final_loss"],
        seconds=result["seconds"],
        device=result["device"],
        config=dict(project.tables.get(BAKE, {})),
        export=manifest.flags,
        versions=result["versions"],
    )


def _ledger(done: Bake) -> str:
    return toml_of(
        {name: value for name, value in msgspec.to_builtins(done).items() if value not in ("", {}, None, (), [])}
    )


def latest_bake(project: Project, wanted: str = "") -> Bake:
    """A finished bake by its id, or the newest.

    Raises:
        StateError: none, or not that one.
    """
    folder = project.dataset.root / "bakes"
    found = sorted(path for path in folder.glob("*.toml") if not wanted or path.stem == wanted)
    if not found:
        raise StateError(f"no bake '{wanted}'" if wanted else "nothing baked yet", hint="dsk bake; bakes/ lists them")
    try:
        return msgspec.convert(read_toml(found[-1]), Bake)
    except msgspec.ValidationError as error:
        raise InputError(f"{found[-1]}: no ledger entry: {error}", hint="dsk undo, or restore the file") from error


def sample(project: Project, wanted: str, prompts: Sequence[str], *, seed: int | None, out: Path | None) -> Path:
    """Draw pictures with and without what a bake made; returns the grid's path.

    Raises:
        StateError: no such bake, or its weights are not in this clone.
    """
    require_trainer()
    done = latest_bake(project, wanted)
    lora = project.dataset.root / done.lora
    config = lora.parent / _CONFIG
    if not lora.exists() or not config.is_file():
        raise StateError(f"{done.lora}: the weights of bake {done.id} are not here", hint="dsk bake makes them again")
    target = out or _free_name(lora.parent / "samples")
    options = [part for prompt in prompts for part in ("--prompt", prompt)]
    options += ["--seed", str(seed)] if seed is not None else []
    run_trainer(["sample", str(config), "--lora", str(lora), "--out", str(target), *options])
    return target


def _free_name(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while (path := folder / f"sample-{number:02d}.png").exists():
        number += 1
    return path
