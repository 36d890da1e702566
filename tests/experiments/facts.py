"""What is kept of a run: a small JSON of facts about every picture, from which all figures are worked out."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from .contract import Measure

ORACLE = "oracle.json"


class Seen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One picture that was painted."""

    group: str
    prompt: str
    asked: tuple[str, ...]
    tags: tuple[str, ...]
    """Seen by the tagger."""
    numbers: dict[str, float]
    """Read off its pixels."""


class Run(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One arm with one seed."""

    claim: str
    arm: str
    seed: int
    setup: dict[str, str]
    """All that decides the result beside the three: base, tagger, settings, versions; digests where they are long."""
    pictures: tuple[Seen, ...]
    data: dict[str, float]
    """The means of the numbers of the pictures that were trained on."""
    loss: tuple[float, float]
    """Mean of the first and of the last tenth of the steps; zeros where nothing was trained."""
    parameters: int
    seconds: dict[str, float]
    """Of processor time: train, paint; and `wall`, all together on the clock."""


class Oracle(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the tagger did on pictures of known tags, by measure: (yes said, of) and (no said, of)."""

    claim: str
    setup: dict[str, str]
    measures: dict[str, tuple[tuple[int, int], tuple[int, int]]]


def of_run(run: Run, measure: Measure) -> float:
    """The measure's number of a run."""
    pictures = _of_group(run, measure)
    if measure.is_share:
        hits, total = counts(run, measure)
        return hits / total
    mean = sum(one.numbers[measure.number] for one in pictures) / len(pictures)
    return abs(mean - run.data[measure.number]) if measure.kind == "off" else mean


def counts(run: Run, measure: Measure) -> tuple[int, int]:
    """How often a share's yes was seen, of how many."""
    pictures = _of_group(run, measure)
    if measure.kind == "all":
        return sum(set(measure.tags) <= set(one.tags) for one in pictures), len(pictures)
    return sum(len(set(one.asked) & set(one.tags)) for one in pictures), sum(len(one.asked) for one in pictures)


def path_of(folder: Path, claim: str, *, arm: str, seed: int) -> Path:
    """The file of a run."""
    return folder / claim / f"{arm}-{seed}.json"


def save(path: Path, facts: Run | Oracle) -> None:
    """Writes the file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_suffix(f".{os.getpid()}.part")
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(facts), indent=1))
    aside.replace(path)


def load_run(path: Path) -> Run | None:
    """The run of a file; None where it is not there or was cut short."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Run)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def load_oracle(path: Path) -> Oracle | None:
    """The same of the tagger's check."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Oracle)
    except (FileNotFoundError, msgspec.MsgspecError):
        return None


def digest(parts: Mapping[str, object] | Sequence[object]) -> str:
    """Of settings, short."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:12]


def _of_group(run: Run, measure: Measure) -> list[Seen]:
    found = [one for one in run.pictures if one.group == measure.group]
    if not found:
        raise ValueError(f"{run.claim}/{run.arm}-{run.seed}: no picture of the group {measure.group!r}")
    return found
