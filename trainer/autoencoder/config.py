"""Reads the TOML that trains a VAE. Relative paths are taken from the folder of the TOML itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from trainer.autoencoder.sections import (
    DataConfig,
    EmaConfig,
    LossConfig,
    NetworkConfig,
    OptimizerConfig,
    OutputConfig,
    TrainConfig,
)
from trainer.config import absolute_in, read_toml
from trainer.errors import ConfigError
from trainer.layers import Layer, merged
from trainer.strict import checked_set, refuse_infinite, refuse_unknown, told

_SIZES = ("block_out_channels", "layers_per_block", "latent_channels", "norm_num_groups", "mid_block_attention")
_NO_EFFECT = ("device", "threads", "validate_every", "save_every_minutes", "keep_last")
"""Of [train]: a run may go on with others of these."""


class VaeConfig(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The training of a VAE."""

    network: NetworkConfig = NetworkConfig()
    data: DataConfig = DataConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    ema: EmaConfig = EmaConfig()
    train: TrainConfig = TrainConfig()
    output: OutputConfig = OutputConfig()

    @property
    def keeps_scaling(self) -> bool:
        """Whether the result has the base's scaling_factor."""
        is_same = self.network.trained == "decoder"
        return is_same if self.output.scaling == "auto" else self.output.scaling == "kept"


def load(path: Path, *, sets: Sequence[str] = ()) -> VaeConfig:
    """Reads and checks the TOML, `sets` over it; paths in the result are absolute. Raises ConfigError."""
    layers = [_checked(Layer(str(path), read_toml(path))), *(checked_set(text, _checked) for text in sets)]
    tables = merged(layers)
    config = _converted(Layer(str(path), tables))
    _refuse(config, tables, path=path)
    replace = msgspec.structs.replace
    absolute = absolute_in(path.absolute().parent)
    placed = replace(
        config,
        network=replace(config.network, base=absolute(config.network.base)),
        data=replace(config.data, folder=absolute(config.data.folder)),
        output=replace(config.output, dir=absolute(config.output.dir)),
    )
    if placed.output.dir == placed.data.folder:
        raise ConfigError(f"{path}: output.dir is data.folder", hint="results among the pictures would become some")
    return placed


def check_sides(config: VaeConfig, stride_px: int) -> None:
    """Raises ConfigError where pictures or pieces are no whole number of latents, of `stride_px` pixels each."""
    sides = {"data.resolution": config.data.resolution, "train.crop": config.train.crop}
    for name, side_px in sides.items():
        if side_px % stride_px:
            near = max(1, round(side_px / stride_px)) * stride_px
            raise ConfigError(
                f"{name} {side_px} is no multiple of {stride_px}, the pixels of a latent", hint=f"try {near}"
            )


def settings(config: VaeConfig) -> dict[str, Any]:
    """All that decides the weights, by name; where files lie does not."""
    plain: dict[str, dict[str, Any]] = msgspec.to_builtins(config)
    del plain["output"], plain["data"]["folder"], plain["network"]["base"]
    for name in _NO_EFFECT:
        del plain["train"][name]
    # As JSON gives them back.
    found = {f"{section}.{name}": value for section, table in plain.items() for name, value in table.items()}
    return {name: list(value) if isinstance(value, tuple) else value for name, value in found.items()}


def _checked(layer: Layer) -> Layer:
    refuse_unknown(layer, VaeConfig)
    refuse_infinite(_converted(layer), layer.source)
    return layer


def _converted(layer: Layer) -> VaeConfig:
    try:
        return msgspec.convert(layer.tables, VaeConfig)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{layer.source}: {told(error)}", hint="docs/autoencoder.md lists every field") from None


def _refuse(config: VaeConfig, tables: Mapping[str, Any], *, path: Path) -> None:
    network, train, side_px = config.network, config.train, config.data.resolution
    own = [name for name in _SIZES if name in tables.get("network", {})]
    ragged = [wide for wide in network.block_out_channels if wide % network.norm_num_groups]
    wrongs = (
        (not config.data.folder, "data.folder is not set", "name the folder of the pictures"),
        (
            bool(network.base and own),
            f"network.base and network.{own[0] if own else ''} are both set",
            "a base has its own sizes: keep one of them",
        ),
        (not network.block_out_channels, "network.block_out_channels is empty", "[24, 48, 64] is three levels"),
        (
            bool(ragged),
            f"network.block_out_channels {ragged[:1]} is no multiple of network.norm_num_groups "
            f"{network.norm_num_groups}",
            "choose multiples of it",
        ),
        (train.crop > side_px, f"train.crop {train.crop} is larger than data.resolution {side_px}", "0 cuts no pieces"),
        (
            not network.base and network.trained == "decoder",
            'network.trained = "decoder" without network.base',
            "a new encoder has to learn too",
        ),
        (
            not network.base and config.keeps_scaling,
            'output.scaling = "kept" without network.base',
            'a new VAE has none yet: "measured"',
        ),
    )
    for is_wrong, message, hint in wrongs:
        if is_wrong:
            raise ConfigError(f"{path}: {message}", hint=hint)
