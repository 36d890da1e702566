"""dsk trace: which bake, commit and images a result came from, by what its header says; and what it says of others."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from datakit.actions.bakes.exported import export_of_hash
from datakit.actions.bakes.headers import Header, read_header
from datakit.actions.bakes.ledger import Bake, read_ledger
from datakit.actions.exporting.manifests import known_object
from datakit.actions.project import Project
from datakit.errors import RepositoryError
from datakit.repo.dataset import Dataset
from datakit.repo.oplog import Operation, read_operation

_OURS: Final = "dsk_"
_RANK_ALONG_0: Final = (".lora_down.weight", ".lora_A.weight", ".hada_w1_b", ".lokr_w2_b")
"""Tensors whose first side is the rank (kohya-ss/sd-scripts:networks/lora.py, KohakuBlueleaf/LyCORIS)."""
_FIRST_TAGS: Final = 10
_NOTHING: Final = frozenset({"", "None", "null", "{}", "[]"})


class Folder(msgspec.Struct, frozen=True, kw_only=True):
    """A folder of the dataset, as a trainer tells of it."""

    name: str
    images: int = 0
    repeats: int = 0


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where the data came from, as this repository knows it."""

    is_known: bool = False
    """Whether the commit is in this repository."""
    subject: str = ""
    time: int = 0
    """Unix seconds."""
    bake: str = ""
    """Id of the ledger's bake; '' where the ledger has none of this manifest."""
    images: tuple[str, ...] = ()
    """Items that it was trained on; empty where the export is not in this history."""


class Trace(msgspec.Struct, frozen=True, kw_only=True):
    """What a result's file tells."""

    file: str
    size_bytes: int
    num_tensors: int
    is_ours: bool
    """Whether dsk's trainer says where it came from."""
    commit: str = ""
    manifest_sha256: str = ""
    origin: Origin = Origin()
    trainer: str = ""
    name: str = ""
    """As it was called when it was made; of a bake, its id."""
    architecture: str = ""
    base: str = ""
    base_sha256: str = ""
    kind: str = ""
    rank: str = ""
    alpha: str = ""
    steps: str = ""
    epochs: str = ""
    learning_rate: str = ""
    optimizer: str = ""
    resolution: str = ""
    prediction_type: str = ""
    date: str = ""
    num_images: int = 0
    folders: tuple[Folder, ...] = ()
    tags: dict[str, int] = {}
    """The commonest tags of the captions → how many captions have them."""
    config: dict[str, Any] = {}
    """dsk's settings."""


def trace(path: Path, project: Project | None = None) -> Trace:
    """What the file tells, and what `project` knows of that.

    Raises:
        InputError: no .safetensors file.
    """
    header = read_header(path)
    told = {key: value for key, value in header.metadata.items() if value not in _NOTHING}
    found = _told(path, header, told)
    return msgspec.structs.replace(found, origin=_origin(project, found)) if project is not None else found


def _told(path: Path, header: Header, told: Mapping[str, str]) -> Trace:
    frequency = _table(told.get("ss_tag_frequency"))
    folders = tuple(_folders(told))
    arguments = _table(told.get("ss_network_args"))
    return Trace(
        file=str(path),
        size_bytes=header.size_bytes,
        num_tensors=len(header.tensors),
        is_ours=any(key.startswith(_OURS) for key in told),
        commit=_hex(told.get("dsk_dataset_commit", ""), 40),
        manifest_sha256=_hex(told.get("dsk_manifest_sha256", ""), 64),
        trainer=_trainer(told),
        name=told.get("ss_output_name", "") or told.get("modelspec.title", ""),
        architecture=told.get("modelspec.architecture", "") or told.get("ss_base_model_version", ""),
        base=told.get("ss_sd_model_name", ""),
        base_sha256=_hex(told.get("ss_new_sd_model_hash", ""), 64),
        kind=str(arguments.get("algo", "")) or told.get("ss_network_module", ""),
        rank=told.get("ss_network_dim", "") or _rank(header),
        alpha=told.get("ss_network_alpha", ""),
        steps=told.get("ss_steps", ""),
        epochs=told.get("ss_epoch", ""),
        learning_rate=told.get("ss_unet_lr", "") or told.get("ss_learning_rate", ""),
        optimizer=told.get("ss_optimizer", ""),
        resolution=told.get("ss_resolution", "") or told.get("modelspec.resolution", ""),
        prediction_type=told.get("modelspec.prediction_type", ""),
        date=told.get("modelspec.date", ""),
        num_images=sum(folder.images for folder in folders),
        folders=folders,
        tags=_commonest(frequency),
        config=_table(told.get("dsk_config")),
    )


def _trainer(told: Mapping[str, str]) -> str:
    """The program that made it, as far as it says so."""
    implementation = told.get("modelspec.implementation_version", "")
    if implementation:
        return implementation
    commit = _hex(told.get("ss_sd_scripts_commit_hash", ""), 40)
    if commit:
        return f"sd-scripts {commit[:10]}"
    if software := told.get("software"):
        return " ".join(str(value) for value in _table(software).values() if isinstance(value, str)) or software
    return "sd-scripts, or one that writes as it does" if any(key.startswith("ss_") for key in told) else ""


def _folders(told: Mapping[str, str]) -> Iterable[Folder]:
    """The dataset's folders; of a run with a dataset TOML its subsets."""
    dirs = _table(told.get("ss_dataset_dirs"))
    if dirs:
        for name, row in dirs.items():
            if isinstance(row, dict):
                yield Folder(name=name, images=_number(row.get("img_count")), repeats=_number(row.get("n_repeats")))
        return
    for one in _list(told.get("ss_datasets")):
        for subset in one.get("subsets", []) if isinstance(one, dict) else []:
            if isinstance(subset, dict):
                name = str(subset.get("image_dir") or subset.get("metadata_file") or "")
                counts = _number(subset.get("img_count")), _number(subset.get("num_repeats"))
                yield Folder(name=name, images=counts[0], repeats=counts[1])


def _commonest(frequency: Mapping[str, Any]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for tags in frequency.values():
        if isinstance(tags, dict):
            counts.update({str(tag).strip(): _number(number) for tag, number in tags.items()})
    return dict(sorted(counts.items(), key=lambda row: (-row[1], row[0]))[:_FIRST_TAGS])


def _rank(header: Header) -> str:
    """The rank, by the tensors; the range where it is not one."""
    ranks = {one.shape[0] for key, one in header.tensors.items() if key.endswith(_RANK_ALONG_0) and one.shape}
    return "" if not ranks else f"{min(ranks)}" if len(ranks) == 1 else f"{min(ranks)} to {max(ranks)}"


def _origin(project: Project | None, found: Trace) -> Origin:
    """What the repository knows of the commit and the manifest that a file names."""
    if project is None or not (found.commit or found.manifest_sha256):
        return Origin()
    dataset = project.dataset
    operation = _operation(dataset, found.commit)
    exported = export_of_hash(dataset, found.manifest_sha256) if found.manifest_sha256 else None
    done = _bake(read_ledger(project).bakes, found)
    return Origin(
        is_known=operation is not None,
        subject=operation.subject if operation else "",
        time=operation.time if operation else 0,
        bake=done.id if done else "",
        images=tuple(sorted(exported.manifest.items)) if exported else (),
    )


def _operation(dataset: Dataset, commit: str) -> Operation | None:
    """The commit, if it is one of this repository."""
    oid = known_object(dataset, commit)
    try:
        return read_operation(dataset, oid) if oid else None
    except RepositoryError:
        return None


def _bake(bakes: Iterable[Bake], found: Trace) -> Bake | None:
    """The ledger's bake of that name and that data; a file may have been renamed, what it says of itself not."""
    same = [one for one in bakes if one.id == found.name]
    return next((one for one in same if one.manifest_sha256 in ("", found.manifest_sha256)), None)


def _hex(text: str, length: int) -> str:
    return text if re.fullmatch(f"[0-9a-f]{{{length}}}", text) else ""


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _table(text: str | None) -> dict[str, Any]:
    found = _json(text)
    return found if isinstance(found, dict) else {}


def _list(text: str | None) -> list[Any]:
    found = _json(text)
    return found if isinstance(found, list) else []


def _json(text: str | None) -> Any:
    """JSON; None where it is none. Of no more depth than Python can hold."""
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
