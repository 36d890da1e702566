"""The ledger: one file a bake, `bakes/<id>.toml`, committed; and what a person says of each."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.measured import Measured, as_table
from datakit.actions.project import Project
from datakit.actions.trainerprogram import toml_of
from datakit.config import read_toml
from datakit.errors import ConfigError, InputError, StateError, UsageError
from datakit.exports.asking import NO_FLAGS
from datakit.exports.model import Ignored
from datakit.exports.settings import Flags
from datakit.registry import nearest
from datakit.repo.operations.transaction import transaction

LEDGER: Final = "bakes/{}.toml"
"""Path of a bake's ledger file, by its id."""
RATINGS: Final = range(1, 6)
_FOLDER: Final = "bakes"
_NOTE: Final = "note"
_MEASURED: Final = "measured"
_EMPTY: Final[tuple[Any, ...]] = ("", 0, {}, None, (), [])
_SAID_ANYWAY: Final = frozenset({"images", "steps", "first_loss", "final_loss", "seconds"})
"""Also where they are zero."""
_DIGITS: Final = re.compile(r"(\d+)")


class Validated(msgspec.Struct, frozen=True, kw_only=True):
    """The loss at fixed noise, after a step."""

    step: int
    held_out: float | None = None
    """Of pictures that are not trained on."""
    trained: float | None = None
    """Of pictures that are."""


class Bake(msgspec.Struct, frozen=True, kw_only=True):
    """One finished bake, as its ledger file has it; what an older one does not say is empty."""

    id: str
    commit: str
    """The dataset's commit whose wip was trained on."""
    manifest_sha256: str = ""
    """Of the export's manifest.json."""
    repeats: str = ""
    """Id of the bake that this one made again; '' for a bake of its own."""
    note: str = ""
    rating: int = 0
    """1 to 5 by the person; 0 for none."""
    lora: str
    """Path of what was made, from the dataset's root: an adapter, a checkpoint, a folder of one, an embedding."""
    weights_sha256: str = ""
    """Of its tensors, whatever its header says."""
    grid: str = ""
    """Path of the before/after picture, from the dataset's root; '' for none."""
    samples: tuple[str, ...] = ()
    """Paths of the pictures made meanwhile, from the dataset's root."""
    image_losses: str = ""
    """Path of the table of pictures by their losses, from the dataset's root."""
    images: int
    held_out: int = 0
    """Pictures that were not trained on, to measure with."""
    steps: int
    epochs: int = 0
    first_loss: float
    final_loss: float
    started: str = ""
    """ISO 8601, UTC."""
    seconds: float
    device: str
    processes: int = 1
    seed: int | None = None
    peak_memory_bytes: int = 0
    """Of the GPU; 0 where nobody knows."""
    validation: Validated | None = None
    """The last measurement."""
    measured: Measured | None = None
    """What drawn pictures say of it; None where nobody measured."""
    config: dict[str, Any] = {}
    """What was asked for: [bake] with what the command laid over it."""
    resolved: dict[str, Any] = {}
    """What the trainer made of it: every setting, without folders."""
    export: Flags = NO_FLAGS
    """What `dsk export` was told of what was trained on: a query, another stage than wip."""
    versions: dict[str, str] = {}
    ignored: tuple[Ignored, ...] = ()
    """The errors that lint found in wip for our trainer, and that `--force` went past."""

    @property
    def date(self) -> str:
        """The day, `2026-01-31`: when it was started, else as its id says."""
        return self.started[:10] or self.id[:10]


class Ledger(msgspec.Struct, frozen=True):
    """All bakes, newest first, and the files that are none."""

    bakes: tuple[Bake, ...]
    failures: tuple[InputError, ...]


def encode(done: Bake) -> str:
    """The ledger file of a bake; what is empty is left out."""
    plain = without_nothing(msgspec.to_builtins(done))
    kept = {name: value for name, value in plain.items() if name in _SAID_ANYWAY or value not in _EMPTY}
    if done.seed is not None:
        kept["seed"] = done.seed
    return toml_of(kept)


def without_nothing(value: Any) -> Any:
    """A value without the keys that are None, at any depth: TOML has no word for it."""
    if isinstance(value, Mapping):
        return {str(key): without_nothing(one) for key, one in value.items() if one is not None}
    if isinstance(value, list | tuple):
        return [without_nothing(one) for one in value if one is not None]
    return value


def read_ledger(project: Project) -> Ledger:
    """Every bake of the work tree's ledger."""
    bakes, failures = [], []
    for path in _files(project):
        try:
            bakes.append(read_file(path))
        except InputError as error:
            failures.append(error)
    return Ledger(tuple(bakes), tuple(failures))


def find_bake(project: Project, wanted: str = "") -> Bake:
    """A bake by its id, or the newest.

    Raises:
        StateError: there is none.
        UsageError: no bake has this id.
        InputError: its file is no ledger entry.
    """
    files = _files(project)
    if not files:
        raise StateError(f"no bake '{wanted}'" if wanted else "nothing baked yet", hint="dsk bake makes one")
    for path in files:
        if not wanted or path.stem == wanted:
            return read_file(path)
    like = nearest(wanted, [path.stem for path in files])
    raise UsageError(f"no bake '{wanted}'", hint=f"did you mean '{like}'?" if like else "dsk bakes lists them")


def read_file(path: Path) -> Bake:
    """One ledger file.

    Raises:
        InputError: it is no ledger entry.
    """
    hint = "dsk undo, or restore the file"
    try:
        found = msgspec.convert(read_toml(path), Bake)
    except (msgspec.ValidationError, ConfigError) as error:
        raise InputError(f"{path}: no ledger entry: {error}", hint=hint) from error
    if found.id != path.stem:
        raise InputError(f"{path}: no ledger entry: its id is '{found.id}'", hint=hint)
    return found


def annotate(project: Project, wanted: str, text: str | None, *, rating: int | None = None) -> Bake:
    """Set the note, the rating, or both, of a bake, as one operation; '' and 0 take them away.

    Raises:
        UsageError: neither is given, no such bake, a rating that is none.
    """
    if text is None and rating is None:
        raise UsageError("neither a note nor a rating", hint='dsk bakes note ID "better hands" --rating 4')
    if rating and rating not in RATINGS:
        raise UsageError(f"rating {rating}: it goes from 1 to 5", hint="0 takes it away")
    if not wanted:
        raise UsageError("which bake?", hint="dsk bakes lists them")
    given = {name: value for name, value in (("note", text), ("rating", rating)) if value is not None}
    with transaction(project.dataset, _NOTE, {"id": wanted, **given}) as txn:
        before = find_bake(project, wanted)
        path = LEDGER.format(before.id)
        old = (project.dataset.root / path).read_bytes().decode("utf-8-sig")
        txn.put(path, _with(old, given).encode())
        txn.commit(f"note: {before.id}" + (f", {rating} of 5" if rating else "") + (f", {text}" if text else ""))
    return msgspec.structs.replace(before, **given)


def enter_measured(project: Project, wanted: str, measured: Measured) -> None:
    """Keep what was measured of a bake, in the place of what was before, as one operation.

    Raises:
        UsageError: no such bake.
    """
    table = as_table(measured)
    with transaction(project.dataset, _MEASURED, {"id": wanted, "count": measured.count, "seed": measured.seed}) as txn:
        path = LEDGER.format(find_bake(project, wanted).id)
        old = (project.dataset.root / path).read_bytes().decode("utf-8-sig")
        txn.put(path, _with(old, {_MEASURED: table}).encode())
        of = f" of {measured.trigger}" if measured.trigger else ""
        txn.commit(f"measured: {wanted}, {measured.count} pictures{of}")


def _with(text: str, given: Mapping[str, Any]) -> str:
    """A ledger file with other values; what people wrote into it stays where it can."""
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    both = {**tomllib.loads(text), **given}
    meant = {name: value for name, value in both.items() if value or name not in given}
    try:
        document = tomlkit.parse(text)
        for name, value in given.items():
            if value:
                document[name] = value
            else:
                document.pop(name, None)
        new = tomlkit.dumps(document)
        if tomllib.loads(new) == meant:
            return new
    except (TOMLKitError, ValueError):
        pass
    return toml_of(meant)


def order_of(bake_id: str) -> tuple[tuple[int, str], ...]:
    """What ids are sorted by: numbers as numbers."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in _DIGITS.split(bake_id) if part)


def _files(project: Project) -> list[Path]:
    """The ledger's files, newest first."""
    folder = project.dataset.root / _FOLDER
    return sorted(folder.glob("*.toml"), key=lambda path: order_of(path.stem), reverse=True)
