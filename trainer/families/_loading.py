"""Loads and saves a Stable Diffusion of one kind: from a file, a folder or a seed, with a VAE of its own or another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from trainer.contracts.model import BaseHeader, BaseSource, SaveAs
from trainer.errors import BaseModelError, ConfigError
from trainer.families import _folder, _networks
from trainer.families._stable_diffusion import StableDiffusion
from trainer.families._text import TextStyle

_DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Kind:
    """What tells one Stable Diffusion from another."""

    name: str
    style: TextStyle
    stride_px: int
    file_kind: Literal["sd15", "sdxl"] | None = None
    """Which of the single-file layouts it has; None: it is kept in folders alone."""

    @property
    def parts(self) -> tuple[str, ...]:
        """Names of its networks."""
        return ("unet", "vae", *self.style.pads)

    def dtypes(self, source: BaseSource) -> dict[str, torch.dtype]:
        """How the weights of each network are held. A VAE of half precision spoils pictures, and is small."""
        text = dict.fromkeys(self.style.pads, _DTYPES[source.text_weights])
        return {"unet": _DTYPES[source.weights], "vae": torch.float32, **text}


def load(source: BaseSource, kind: Kind) -> StableDiffusion:
    """The base's model. Raises BaseModelError, or ConfigError where it has no such clip skip."""
    header = source.header
    if header is None:
        raise BaseModelError(
            f"model.base: {kind.name} has no random weights", hint="name a .safetensors file or a folder"
        )
    networks = _made(header, kind, dtypes=kind.dtypes(source))
    # The base's own VAE is not read where another takes its place: it may have none.
    wanted = {part: network for part, network in networks.items() if part != "vae" or source.vae is None}
    _fill(header, wanted, kind=kind)
    if source.vae is not None:
        networks["vae"] = _other_vae(source.vae, networks["vae"])
    _networks.check(networks, stride_px=kind.stride_px, where=header.path)
    return StableDiffusion(networks, kind.style, rule=source.text, device=source.device)


def random(source: BaseSource, kind: Kind, settings: Mapping[str, Mapping[str, Any]]) -> StableDiffusion:
    """Networks of these settings whose weights follow from the seed and their names."""
    networks = _networks.build(settings, where=kind.name, dtypes=kind.dtypes(source))
    _networks.randomise(networks, seed=source.seed)
    return StableDiffusion(networks, kind.style, rule=source.text, device=source.device)


def save(model: StableDiffusion, path: Path, how: SaveAs, *, kind: Kind) -> None:
    """Writes the networks as one file or as a folder. Raises WriteError."""
    if how.layout == "diffusers":
        _folder.write(model.networks, path, how)
        return
    if kind.file_kind is None:
        raise ConfigError(f"output.layout: {kind.name} is written as a folder alone", hint='write layout = "diffusers"')
    from trainer.families._single_file import save_checkpoint

    save_checkpoint(
        model.networks,
        path,
        kind=kind.file_kind,
        dtype=how.dtype,
        metadata=how.metadata,
        prediction=how.prediction,
    )


def _made(header: BaseHeader, kind: Kind, *, dtypes: Mapping[str, torch.dtype]) -> dict[str, nn.Module]:
    """The base's networks, their weights not yet set."""
    if header.path.is_dir():
        settings = _folder.settings(header, kind.parts)
    elif kind.file_kind is None:
        raise BaseModelError(f"{header.path}: is not a folder, which a base of {kind.name} is")
    else:
        from trainer.families._single_file import network_settings

        told = network_settings(header, kind.file_kind)
        settings = {part: told[part] for part in kind.parts}
    networks = _networks.build(settings, where=header.path, dtypes=dtypes)
    _networks.check(networks, stride_px=kind.stride_px, where=header.path)
    return networks


def _fill(header: BaseHeader, networks: Mapping[str, nn.Module], *, kind: Kind) -> None:
    if kind.file_kind is None or header.path.is_dir():
        _folder.load_networks(header.path, networks)
        return
    from trainer.families._single_file import load_networks

    load_networks(header.path, networks, kind.file_kind)


def _other_vae(path: Path, own: nn.Module) -> nn.Module:
    """A VAE of the same build as the base's from a file, or of its own config.json from a folder."""
    from trainer.families._digests import settings_of

    if not path.is_dir():
        from trainer.families._single_file import load_vae

        vae = _networks.build_one("vae", settings_of(own), where=path)
        load_vae(path, vae)
        return vae
    folder = path / "vae" if (path / "vae" / "config.json").is_file() else path
    vae = _networks.build_one("vae", _folder.read_json(folder / "config.json"), where=path)
    _folder.fill(vae, _folder.weight_files(folder, "vae"))
    return vae
