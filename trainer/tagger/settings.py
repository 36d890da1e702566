"""The TOML of a tagger's training: strict, typed, each field said in one sentence."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from trainer.config import absolute_in, read_toml
from trainer.errors import ConfigError
from trainer.layers import Layer
from trainer.sections import Above, Count, Positive, Seed, Share
from trainer.strict import refuse_infinite, refuse_unknown, told

Side = Annotated[int, Meta(ge=16, le=512)]
Widths = Annotated[tuple[Positive, ...], Meta(min_length=2, max_length=6)]


class DataConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[data]`: which pictures, and which of their tags are learnt."""

    folders: Annotated[tuple[str, ...], Meta(min_length=1)]
    """Folders of pictures with a manifest.jsonl (`file`, `tags`), or with a caption of tags beside each picture."""
    stored_px: Side = 80
    """Side of the squares that pictures are kept at in memory; larger than `size_px` leaves room for augmentation."""
    least_count: Positive = 20
    """Tags of fewer pictures are not learnt."""
    drop: tuple[str, ...] = ("solo",)
    """Tags that are not learnt, by name or a pattern with `*`."""
    leave_out: tuple[tuple[str, ...], ...] = ()
    """Sets of tags: a picture that has all of one is not learnt from, so that others like it can be judged on."""
    see_through: str = ""
    """Tag of pictures without a background: it is not learnt, since taggers lay them on white."""
    on_white: tuple[str, ...] = ()
    """Tags that such a picture has instead when it is laid on white."""
    unknown_elsewhere: tuple[str, ...] = ()
    """Patterns of tags that nobody knows of such a picture when it is laid on anything else."""
    of_colour: tuple[str, ...] = ()
    """Patterns of tags that nobody knows of a picture of turned colours."""
    validation: Annotated[float, Meta(gt=0.0, lt=0.5)] = 0.06
    """Share of the pictures that are held out to choose thresholds."""


class AugmentConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[augment]`: how pictures are changed without a tag becoming untrue."""

    strength: Share = 1.0
    """Of everything below and the rest at once; 0 shows each picture as it is."""
    mirror: Share = 0.5
    """How often a picture is mirrored."""
    one_sided: tuple[str, ...] = ()
    """Tags whose pictures are not mirrored, by name or a pattern with `*`."""
    rotate_deg: Annotated[float, Meta(ge=0.0, le=45.0)] = 12.0
    """At most so far to either side."""
    shift: Annotated[float, Meta(ge=0.0, le=0.4)] = 0.08
    """At most so far, as a share of the side."""
    scale: Annotated[float, Meta(ge=0.0, le=0.5)] = 0.2
    """At most so much larger or smaller."""
    bend: Annotated[float, Meta(ge=0.0, le=0.2)] = 0.025
    """How far points move against each other, as a share of the side."""
    recolour: str = ""
    """Path in the manifest of a colour (`look.skin`) that is sometimes painted as another of its kind."""
    turn_colours: Share = 0.0
    """How often a picture's hues are turned by any angle, or taken away; `data.of_colour` is not asked then."""
    jpeg: Share = 0.15
    """How often a picture goes through JPEG."""


class NetworkConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[network]`: how large the tagger is."""

    size_px: Side = 64
    """Side of its input."""
    widths: Widths = (24, 40, 80, 128)
    """Channels of the stages, each of half the side of the one before."""
    dropout: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.1
    """Share of the last numbers that are left out in training."""


class TrainConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[train]`: how it learns."""

    steps: Positive = 3000
    """Updates in all."""
    batch: Annotated[int, Meta(ge=2)] = 64
    """Pictures of one; a normalisation over them needs two."""
    learning_rate: Above = 3e-3
    """At its highest; it rises for the first twentieth and falls to nothing by a cosine."""
    weight_decay: Annotated[float, Meta(ge=0.0)] = 0.02
    """AdamW's, of convolutions and the last layer."""
    ema: Annotated[float, Meta(ge=0.0, lt=1.0)] = 0.995
    """How much of the average stays in each step; the average is what is saved."""
    rare: Annotated[float, Meta(ge=0.0, le=1.0)] = 0.4
    """A tag counts by (absent / present) to this power where it is present, at most 6."""
    threads: Count = 1
    """CPU threads; 0 for all cores. Another number may change the last bits."""
    seed: Seed = 0
    """Of the weights and of every draw."""
    checkpoint_minutes: Above = 3.0
    """Time between checkpoints."""


class OutputConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[output]`: where what is made goes."""

    folder: str
    """model.onnx, selected_tags.csv and result.json are written here."""
    state: str = ""
    """Folder of the checkpoints; empty: `state` in the output folder."""
    weights: Annotated[str, Meta(pattern="^(fp16|fp32)$")] = "fp16"
    """How weights are stored; either way they are computed with as fp32."""


class JudgeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`[judge]`: pictures that it never saw, to be judged on."""

    sets: dict[str, tuple[str, ...]] = {}
    """Name → folders, as in `[data]`."""
    ignore: tuple[str, ...] = ()
    """Tags that are not judged, by name or a pattern with `*`."""
    least_count: Positive = 20
    """Tags of fewer pictures of a set are not judged on it."""


class TaggerConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A whole training."""

    data: DataConfig
    output: OutputConfig
    augment: AugmentConfig = AugmentConfig()
    network: NetworkConfig = NetworkConfig()
    train: TrainConfig = TrainConfig()
    judge: JudgeConfig = JudgeConfig()


def load(path: Path) -> TaggerConfig:
    """Reads and checks a TOML; relative paths begin at its folder. Raises ConfigError."""
    table = read_toml(path)
    refuse_unknown(Layer(str(path), table), TaggerConfig)
    try:
        config = msgspec.convert(table, TaggerConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(
            f"{path}: {told(error)}", hint="trainer/tagger/settings.py says what each field means"
        ) from None
    refuse_infinite(config, str(path))
    return _placed(config, absolute_in(path.absolute().parent))


def decisive(config: TaggerConfig) -> dict[str, Any]:
    """All that decides the weights, by name; folders by their names alone."""
    found: dict[str, Any] = {}
    for section in ("data", "augment", "network", "train"):
        values = msgspec.to_builtins(getattr(config, section))
        found |= {f"{section}.{key}": value for key, value in values.items()}
    found["data.folders"] = [Path(folder).name for folder in config.data.folders]
    for moment in ("train.checkpoint_minutes", "train.threads"):
        del found[moment]
    plain: dict[str, Any] = json.loads(json.dumps(found))  # as a checkpoint gives them back: lists, no tuples
    return plain


def _placed(config: TaggerConfig, absolute: Callable[[str], str]) -> TaggerConfig:
    replace = msgspec.structs.replace
    sets = {name: tuple(map(absolute, folders)) for name, folders in config.judge.sets.items()}
    folder = absolute(config.output.folder or ".")
    state = absolute(config.output.state) or str(Path(folder) / "state")
    return replace(
        config,
        data=replace(config.data, folders=tuple(map(absolute, config.data.folders))),
        output=replace(config.output, folder=folder, state=state),
        judge=replace(config.judge, sets=sets),
    )
