"""dsk bake --repeat: the same data, the same settings, the same seed, and whether the same weights come of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.comparing import Difference, differing, differing_settings
from datakit.actions.bakes.exported import Exported, export_of
from datakit.actions.bakes.ledger import Bake, find_bake
from datakit.actions.bakes.making import Job, run_job
from datakit.actions.exporting.elsewhere import donors_of
from datakit.actions.exporting.folders import (
    Source,
    Writer,
    disk_refusals,
    hash_of,
    is_inside,
    look,
    refuse_absent,
    scratch_in,
)
from datakit.actions.project import Project
from datakit.actions.trainerprogram import OURS, PLACES, require_trainer, toml_of, trainer_settings
from datakit.errors import InputError, StateError
from datakit.exports.expressing import some
from datakit.exports.model import MANIFEST_NAME
from datakit.model.item import ImageRef
from datakit.repo.dataset import Dataset
from datakit.store.objects import files

_DATASET: Final = "dataset.toml"
_DIRS: Final = ("image_dir", "conditioning_data_dir")


class Repeated(msgspec.Struct, frozen=True, kw_only=True):
    """A bake made again, beside the one that it repeats."""

    bake: Bake
    original: Bake
    is_same: bool | None
    """Whether the weights are the same, bit for bit; None where the older ledger file has no hash of them."""
    differences: tuple[Difference, ...]
    """Of what may decide about weights: device, processes, versions, settings."""


def repeat(project: Project, wanted: str, *, processes: int = 0, note: str = "") -> Repeated:
    """Bake again what a bake of the ledger was made of, in a folder of its own; the work tree has no part in it.

    Raises:
        UsageError: no such bake.
        StateError: its data is not in this history, or not whole.
        TrainerError: the trainer is not installed, or stopped.
    """
    require_trainer()
    original = find_bake(project, wanted)
    job = job_again(project, original, processes=processes)
    return judged(original, run_job(project, msgspec.structs.replace(job, note=note)))


def job_again(project: Project, original: Bake, *, processes: int = 0) -> Job:
    """The same bake; by as many processes as then, unless others are asked for.

    Raises:
        StateError: the export that it was trained on is not in this history.
    """
    exported = export_of(project.dataset, original)
    if exported is None:
        raise StateError(
            f"bake {original.id}: the export that it was trained on is not in this history",
            hint="dsk pull fetches the history of another copy",
        )
    return Job(
        asked=original.config,
        settings=_settings(project, original),
        manifest=exported.data,
        fill=_filler(project.dataset, exported),
        processes=processes or (original.processes if original.processes > 1 else 0),
        ignored=original.ignored,
        repeats=original.id,
    )


def judged(original: Bake, done: Bake) -> Repeated:
    """Two bakes that should be the same, compared."""
    hashes = original.weights_sha256, done.weights_sha256
    sides = [(name, getattr(original, name), getattr(done, name)) for name in ("device", "processes", "seed")]
    found = [Difference(*side) for side in sides if side[1] != side[2]]
    found += differing(original.versions, done.versions, prefix="versions")
    found += differing_settings(original, done) if original.resolved else ()
    is_same = hashes[0] == hashes[1] if all(hashes) else None
    return Repeated(bake=done, original=original, is_same=is_same, differences=tuple(found))


def _settings(project: Project, original: Bake) -> dict[str, Any]:
    """What the trainer gets: what it resolved then, with the files that were named; else what was asked for."""
    if not original.resolved:
        return trainer_settings(project, original.config)
    tables = {name: dict(table) for name, table in original.resolved.items() if isinstance(table, Mapping)}
    for section, keys in OURS.items():
        for key in keys:
            tables.get(section, {}).pop(key, None)
    for section, key in PLACES:
        tables.get(section, {}).pop(key, None)
        if given := original.config.get(section, {}).get(key):
            tables.setdefault(section, {})[key] = given
    return trainer_settings(project, tables)


def _filler(dataset: Dataset, exported: Exported) -> Callable[[Path], None]:
    """What writes the export's files into a folder and checks them, only what is not there yet."""

    def fill(folder: Path) -> None:
        sources = dict(_sources(dataset, exported))
        refuse_absent(dataset, [one for one in sources.values() if isinstance(one, ImageRef)])
        folder.mkdir(parents=True, exist_ok=True)
        with disk_refusals(folder):
            _write(dataset, folder, sources)
            _check(folder, exported)
            _point_inside(folder)

    return fill


def _sources(dataset: Dataset, exported: Exported) -> Iterator[tuple[str, Source]]:
    for path, blob in files(dataset.objects, exported.tree):
        if not is_inside(path):
            raise StateError(f"{path}: a name that leads out of the export's folder", hint="dsk export makes it anew")
        ref = dataset.image_ref(f"export/{path}", blob)
        yield path, ref if ref is not None else dataset.objects.read(blob)


def _write(dataset: Dataset, folder: Path, sources: Mapping[str, Source]) -> None:
    standing = look(folder, sources, {})
    fresh = [path for path, one in sources.items() if path not in standing or standing[path].sha256 != hash_of(one)]
    donors = donors_of(dataset, [one for path in fresh if isinstance(one := sources[path], ImageRef)])
    with scratch_in(folder) as scratch:
        writer = Writer(dataset, folder, scratch=scratch, copies=False, donors=donors)
        for path in fresh:
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            writer.write(path, sources[path])


def _check(folder: Path, exported: Exported) -> None:
    """Hold every file against the manifest.

    Raises:
        StateError: names those that are not as they were.
    """
    wanted = exported.manifest.files
    standing = look(folder, wanted, {})
    wrong = sorted(path for path, sha in wanted.items() if path not in standing or standing[path].sha256 != sha)
    if (folder / MANIFEST_NAME).read_bytes() != exported.data:
        wrong.append(MANIFEST_NAME)
    if wrong:
        raise StateError(
            f"the data is not what was trained on: {some(wrong)}", hint="dsk verify reads everything and heals it"
        )


def _point_inside(folder: Path) -> None:
    """Let absolute paths of dataset.toml name the folders here."""
    import tomllib

    path = folder / _DATASET
    try:
        tables = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: cannot be read: {error}", hint="only the kohya export is baked") from error
    subsets = [subset for one in tables.get("datasets", []) for subset in one.get("subsets", [])]
    moved = [(one, key) for one in subsets for key in _DIRS if Path(str(one.get(key, ""))).is_absolute()]
    for subset, key in moved:
        parts = Path(subset[key]).parts[1:]
        inside = (Path(*parts[at:]) for at in range(len(parts)))
        subset[key] = next((one.as_posix() for one in inside if (folder / one).is_dir()), subset[key])
    if moved:
        path.write_text(toml_of(tables), "utf-8")
