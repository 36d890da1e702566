"""What is asked of `pictures`: a JSON list of single pictures, read without loading a model or torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from trainer.errors import ConfigError, InputError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,119}")
_LARGEST_SEED = 2**53


class Job(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One picture."""

    name: str
    """Of its file, without `.png`: letters, digits, `-`, `_` and dots."""
    prompt: str
    negative: str = ""
    seed: int
    """With it `sample` makes the same picture of this prompt."""
    scale: float = 1.0
    """How strong the LoRA is; 0: without it."""


@dataclass(frozen=True)
class Errand:
    """Where the pictures go and what they are made with."""

    lora: Path | None
    """What was trained; None where all pictures are of the base."""
    out: Path
    batch: int = 0
    """Pictures made at once; 0: as many as suit their size."""


def read_jobs(path: Path) -> tuple[Job, ...]:
    """The jobs of a file. Raises InputError, naming the job."""
    try:
        rows: Any = msgspec.json.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})", hint="correct --jobs") from None
    except msgspec.DecodeError as error:
        raise InputError(f"{path}: not JSON: {error}", hint=_FORM) from None
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{path}: not a list of jobs", hint=_FORM)
    jobs = tuple(_job(path, number, row) for number, row in enumerate(rows))
    twice = next((name for name, count in Counter(job.name.lower() for job in jobs).items() if count > 1), "")
    if twice:
        raise InputError(f"{path}: two jobs are called {twice!r}", hint="each picture needs a name of its own")
    return jobs


_FORM = '[{"name": "one", "prompt": "1girl", "negative": "", "seed": 1, "scale": 1.0}]'


def _job(path: Path, number: int, row: object) -> Job:
    where = f"{path}: job {number}"
    try:
        job = msgspec.convert(row, Job)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}: {error}", hint=_FORM) from None
    if not _NAME.fullmatch(job.name):
        raise InputError(f"{where}: {job.name[:80]!r} is no name", hint="letters, digits, -, _ and dots")
    if not 0 <= job.seed <= _LARGEST_SEED:
        raise InputError(f"{where}: the seed {job.seed} is not from 0 to {_LARGEST_SEED}", hint="choose a smaller one")
    if not abs(job.scale) <= _LARGEST_SCALE:
        raise InputError(f"{where}: the scale {job.scale} means nothing", hint="1 is as it was trained, 0 without it")
    return job


_LARGEST_SCALE = 100.0


def check(jobs: Sequence[Job], errand: Errand) -> None:
    """Refuses jobs that need a LoRA where there is none. Raises ConfigError."""
    asking = next((job for job in jobs if job.scale), None)
    if errand.lora is None and asking is not None:
        raise ConfigError(
            f"the job {asking.name!r} has the scale {asking.scale:g}, but no LoRA is given",
            hint="name it with --lora, or set the scale to 0",
        )
    if errand.lora is not None and not errand.lora.exists():
        raise ConfigError(f"--lora: there is no {errand.lora}", hint="correct the path")
