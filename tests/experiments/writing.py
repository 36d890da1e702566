"""An arm's pictures and settings as the files that the trainer reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from .contract import Arm, Baking, Sample

_USUAL = {"shuffle_caption": True, "keep_tokens": 1, "caption_extension": ".txt"}
"""The trigger stays in front, and never drops out."""


def write(folder: Path, samples: Sequence[Sample], arm: Arm, *, baking: Baking, seed: int) -> Path:
    """Writes pictures, captions, dataset.toml and run.toml into an empty folder; the path of run.toml."""
    folder.mkdir(parents=True)
    subsets = []
    for name, some in _parts(samples).items():
        _write_pictures(folder / name, some)
        own = {"image_dir": str(folder / name), **arm.subset}
        if name == "bare":
            # The empty prompt, which the trainer asks to be told of: it takes a lack of captions for a mistake.
            own |= {"class_tokens": "picture", "caption_dropout_rate": 1.0}
        if name == "class":
            own |= {"is_reg": True, "keep_tokens": 0}
        subsets.append(own)
    dataset = {"resolution": baking.size_px, "batch_size": baking.batch, "subsets": subsets}
    (folder / "dataset.toml").write_text(_toml({"general": _USUAL, "datasets": [dataset]}), "utf-8")
    path = folder / "run.toml"
    path.write_text(_toml(settings(folder, arm, baking=baking, seed=seed)), "utf-8")
    return path


def settings(folder: Path, arm: Arm, *, baking: Baking, seed: int) -> dict[str, dict[str, object]]:
    """The run's TOML of an arm: the usual settings, and its own instead."""
    found: dict[str, dict[str, object]] = {
        "model": {"base": baking.base},
        "dataset": {"config": str(folder / "dataset.toml")},
        "adapter": {"rank": baking.rank, "alpha": float(baking.rank)},
        "optimizer": {"learning_rate": baking.rate},
        "schedule": {"name": "cosine", "warmup": 10.0},
        "train": {"steps": baking.steps, "seed": seed, "threads": 1, "device": "cpu"},
        "output": {"dir": str(folder / "output")},
    }
    for key, value in arm.settings.items():
        section, _, field = key.partition(".")
        found.setdefault(section, {})[field] = value
    return found


def _parts(samples: Sequence[Sample]) -> Mapping[str, list[Sample]]:
    parts: dict[str, list[Sample]] = {}
    for sample in samples:
        name = "class" if sample.is_class else "captioned" if sample.caption else "bare"
        parts.setdefault(name, []).append(sample)
    return parts


def _write_pictures(folder: Path, samples: Sequence[Sample]) -> None:
    folder.mkdir()
    for number, sample in enumerate(samples):
        sample.image.save(folder / f"{number:03d}.png")
        if sample.caption:
            (folder / f"{number:03d}.txt").write_text(sample.caption, "utf-8")


def _toml(tables: Mapping[str, object]) -> str:
    return "\n".join(f"{name} = {_value(value)}" for name, value in tables.items()) + "\n"


def _value(value: object) -> str:
    """A TOML value; tables are written inline, so that one line says each key."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_value(one)}" for name, one in value.items()) + "}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(one) for one in value) + "]"
    # Strings, numbers and booleans of JSON are TOML's too.
    return json.dumps(value)
