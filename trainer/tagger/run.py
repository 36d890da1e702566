"""A tagger's training from its TOML to its files."""

from __future__ import annotations

import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import torch
from torch import Generator

from trainer import state
from trainer.atomic import make_folder, remove_leftovers, write_file
from trainer.errors import DatasetError
from trainer.lock import exclusive
from trainer.memory.exhausted import advised
from trainer.progress import Reporter
from trainer.seeds import seed_for
from trainer.tagger import judging, pictures
from trainer.tagger.augmenting import augmented, plain
from trainer.tagger.exporting import LABELS, MODEL, labels_bytes, onnx_bytes, rounded
from trainer.tagger.fitting import Fitting, Truth, fit, resume, start, truth_of, wanted_of
from trainer.tagger.judging import Bools, Floats
from trainer.tagger.network import Tagger
from trainer.tagger.pictures import Pictures, matches
from trainer.tagger.settings import TaggerConfig, load

RESULT = "result.json"
_AT_ONCE = 64
_VIEWS = 3
"""How often each validation picture is shown, changed, beside as it is."""
_MILD = 0.6
_LESS = "lower train.batch or data.stored_px, and begin anew with --restart"


@dataclass(frozen=True)
class Made:
    """What a training gave."""

    folder: Path
    num_tags: int
    num_pictures: int
    seconds: float
    validation_f1: float
    judged: Mapping[str, float]
    """Set → macro-F1."""


def train(path: Path, *, reporter: Reporter, stop: Callable[[], bool], restart: bool = False) -> Made:
    """Trains as a TOML says, goes on where it was stopped, and writes the files.

    Raises:
        ConfigError, DatasetError: the TOML or the pictures cannot be used.
        StateError: the checkpoint is of another run or of other pictures, or another process writes here.
        DivergedError, OutOfMemoryError: as they say.
        InterruptedRun: it was asked to stop; its state is saved.
        WriteError: the disk refuses.
    """
    config = load(path)
    if config.train.threads:
        torch.set_num_threads(config.train.threads)
    folder, checkpoints = Path(config.output.folder), Path(config.output.state)
    make_folder(folder)
    make_folder(checkpoints)
    with exclusive(folder), advised(lambda where: _LESS):
        for name in (MODEL, LABELS, RESULT):
            remove_leftovers(folder, name)
        if restart:
            state.discard(checkpoints)
        return _train(config, folder, reporter=reporter, stop=stop)


def scores_of(tagger: Tagger, shown: torch.Tensor) -> Floats:
    """Probabilities [N, tags] of RGB pictures in 0 to 1."""
    with torch.inference_mode():
        parts = [torch.sigmoid(tagger(part * 2 - 1)) for part in _parts(shown)]
    found: Floats = torch.cat(parts).numpy()
    return found


def _train(config: TaggerConfig, folder: Path, *, reporter: Reporter, stop: Callable[[], bool]) -> Made:
    data = config.data
    for one in (place for places in config.judge.sets.values() for place in places):
        pictures.entries(Path(one))  # now rather than when it has learnt
    everything = pictures.read(
        data.folders,
        side_px=data.stored_px,
        paint=config.augment.recolour,
        leave_out=data.leave_out,
        say=reporter.note,
    )
    counts = pictures.vocabulary(
        everything, drop=(*data.drop, *([data.see_through] if data.see_through else [])), least=data.least_count
    )
    learnt, held = _split(everything, config)
    truth = truth_of(learnt, tuple(counts), config)
    fitting = start(config, len(counts), pictures=everything.digest())
    if resume(fitting, Path(config.output.state), config):
        reporter.note(f"going on after step {fitting.step}")
    reporter.note(f"{len(learnt)} pictures to learn from, {len(held)} held out, {len(counts)} tags")
    fit(fitting, learnt, truth, config=config, reporter=reporter, stop=stop)
    tagger = rounded(fitting.average) if config.output.weights == "fp16" else fitting.average
    bars, own = _thresholds(tagger, held, truth_of(held, tuple(counts), config), config=config)
    judged = {
        name: _judged(tagger, places, tuple(counts), bars=bars, config=config, say=reporter.note)
        for name, places in config.judge.sets.items()
    }
    _write(config, folder, fitting, counts=counts, bars=bars, judged={"validation": own, **judged})
    return Made(
        folder=folder,
        num_tags=len(counts),
        num_pictures=len(learnt),
        seconds=fitting.seconds,
        validation_f1=own["macro_f1"],
        judged={name: rows["macro_f1"] for name, rows in judged.items()},
    )


def _split(everything: Pictures, config: TaggerConfig) -> tuple[Pictures, Pictures]:
    """Those to learn from and those held out, by the seed."""
    generator = Generator().manual_seed(seed_for(config.train.seed, "validation"))
    order = torch.randperm(len(everything), generator=generator)
    most = round(len(everything) * config.data.validation)
    if most < 1 or most == len(everything):
        raise DatasetError(f"{len(everything)} pictures are too few to hold some out", hint="more pictures")
    return _of(everything, order[most:].sort().values), _of(everything, order[:most].sort().values)


def _of(everything: Pictures, rows: torch.Tensor) -> Pictures:
    tags = tuple(everything.tags[row] for row in rows.tolist())
    return Pictures(everything.pixels[rows], tags, everything.paints[rows])


def _thresholds(
    tagger: Tagger, held: Pictures, truth: Truth, *, config: TaggerConfig
) -> tuple[list[float], dict[str, Any]]:
    """Each tag's threshold, chosen on pictures as they are and mildly changed, and how good they are there."""
    how = msgspec.structs.replace(config.augment, strength=config.augment.strength * _MILD, turn_colours=0.0)
    generator = Generator().manual_seed(seed_for(config.train.seed, "thresholds"))
    clear = held.pixels[:, 3].amin((1, 2)) < 128
    shown, wanted, known = [plain(held.pixels, config.network.size_px)], [_on_white(truth, clear)], []
    known.append(torch.ones_like(wanted[0], dtype=torch.bool))
    for _ in range(_VIEWS):
        for part in _parts(torch.arange(len(held))):
            view = augmented(
                held.pixels[part],
                held.paints[part],
                may_mirror=truth.may_mirror[part],
                size_px=config.network.size_px,
                how=how,
                generator=generator,
            )
            shown.append(view.pictures)
            for found, more in zip((wanted, known), wanted_of(truth, part, view), strict=True):
                found.append(more)
    is_true, is_known = torch.cat(wanted).numpy() > 0.5, torch.cat(known).numpy()
    scores = scores_of(tagger, torch.cat(shown))
    bars = judging.thresholds(scores, is_true, is_known)
    rows = judging.judge(scores > np.array(bars, np.float32), is_true, tags=truth.tags, known=is_known, least=1)
    return bars, {"pictures": len(held), **judging.as_json(rows)}


def _judged(
    tagger: Tagger,
    folders: Sequence[str],
    tags: Sequence[str],
    *,
    bars: Sequence[float],
    config: TaggerConfig,
    say: pictures.Say,
) -> dict[str, Any]:
    """How good it is on another set, whose see-through pictures lie on white as taggers lay them."""
    found = pictures.read(folders, side_px=config.network.size_px, say=say)
    truth = truth_of(found, tags, config)
    wanted = _on_white(truth, found.pixels[:, 3].amin((1, 2)) < 128)
    scores = scores_of(tagger, plain(found.pixels, config.network.size_px))
    is_true: Bools = wanted.numpy() > 0.5
    rows = judging.judge(
        scores > np.array(bars, np.float32),
        is_true,
        tags=tags,
        known=np.ones_like(is_true),
        least=config.judge.least_count,
    )
    kept = [row for row in rows if not matches(row.tag, config.judge.ignore)]
    return {"pictures": len(found), **judging.as_json(kept)}


def _parts(rows: torch.Tensor) -> list[torch.Tensor]:
    return [rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE)]


def _on_white(truth: Truth, clear: torch.Tensor) -> torch.Tensor:
    return torch.maximum(truth.is_true, clear[:, None] * truth.on_white)


def _write(
    config: TaggerConfig,
    folder: Path,
    fitting: Fitting,
    *,
    counts: Mapping[str, int],
    bars: Sequence[float],
    judged: Mapping[str, Any],
) -> None:
    model = onnx_bytes(fitting.average, size_px=config.network.size_px, fp16=config.output.weights == "fp16")
    write_file(folder / MODEL, model)
    write_file(folder / LABELS, labels_bytes(counts, bars))
    result = {
        "tags": len(counts),
        "steps": fitting.step,
        "seconds": round(fitting.seconds, 1),
        "first_loss": round(fitting.losses[0], 5),
        "losses": fitting.told,
        "f1": judged,
        "bytes": len(model),
        "versions": _versions(),
        "config": {
            name: value
            for name, value in msgspec.to_builtins(config).items()
            if name in ("augment", "network", "train")
        },
    }
    write_file(folder / RESULT, msgspec.json.format(msgspec.json.encode(result), indent=2) + b"\n")


def _versions() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "torch": metadata.version("torch"),
        "numpy": np.__version__,
        "pillow": metadata.version("pillow"),
    }
