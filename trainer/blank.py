"""A base model that knows nothing yet: fresh networks in a folder, to train from scratch.

First weights are the libraries' own, drawn one network after the other from one seed, so that they may change with
the libraries' versions. What ends a residual branch of the UNet, and the UNet itself, starts at zero: at first each
block passes on what it gets (Ho et al. 2020, arXiv 2006.11239, whose code does the same).
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from trainer.atomic import refuse_existing
from trainer.config import read_toml
from trainer.contracts.model import Family, Prediction
from trainer.errors import BaseModelError, ConfigError, nearest
from trainer.registry import FAMILIES

_SHIPPED = {"tiny": "dsk-tiny.toml", "sd15": "sd15.json", "sdxl": "sdxl.json"}
_ORDER = ("unet", "text_encoder", "text_encoder_2", "vae")
_CLIP = (49408, 77)
_ZEROS = ("conv_out.", ".conv2.", ".proj_out.")

Sizes = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Request:
    """What is to be made."""

    family: Family
    sizes: Sizes
    """Settings of each network by part, as diffusers' and transformers' classes take them."""
    seed: int
    prediction: Prediction
    """What the network will be trained to say; told in the scheduler's config."""
    vae: Path | None = None
    """Folder or file of a trained VAE; None: a fresh one, which has to be trained first."""


def request(
    family: str, *, sizes: Path | None, seed: int, vae: Path | None, prediction: str, zero_terminal_snr: bool
) -> Request:
    """Checks what was asked for, without loading torch. Raises ConfigError."""
    kind = FAMILIES.load(family, field="--family")
    if zero_terminal_snr and prediction == "epsilon":
        raise ConfigError(
            "--zero-terminal-snr: epsilon says nothing at pure noise", hint="add --prediction v_prediction"
        )
    own = shipped(kind)
    return Request(
        kind, own if sizes is None else _over(own, sizes), seed, Prediction(prediction, zero_terminal_snr), vae
    )


def shipped(family: Family) -> Sizes:
    """The sizes that a blank base of this family has where nobody says otherwise; those of dsk-tiny for tiny."""
    if family.name not in _SHIPPED:
        raise ConfigError(f"--family: no sizes are known of {family.name}", hint=nearest(family.name, _SHIPPED))
    text = resources.files("trainer.families").joinpath("assets", _SHIPPED[family.name]).read_text("utf-8")
    found: Sizes = tomllib.loads(text) if _SHIPPED[family.name].endswith(".toml") else json.loads(text)
    return {part: found[part] for part in _ORDER if part in found}


def write(asked: Request, folder: Path) -> dict[str, int]:
    """Writes the folder in diffusers' layout, float32; how many weights each network has.

    Raises StateError where something is there already, BaseModelError where no network has such sizes, WriteError.
    """
    import torch

    from trainer.contracts.model import SaveAs
    from trainer.families import _folder, _networks

    refuse_existing(folder)
    _refuse(asked.sizes)
    networks = fresh(asked)
    _networks.check(
        networks, stride_px=asked.family.latent_stride_px, where="--sizes" if asked.vae is None else asked.vae
    )
    how = SaveAs(layout="diffusers", dtype=torch.float32, metadata={}, prediction=asked.prediction)
    _folder.write(networks, folder, how)
    return {part: sum(weight.numel() for weight in network.parameters()) for part, network in networks.items()}


def fresh(asked: Request) -> dict[str, Any]:
    """The networks by part, float32 on the CPU; torch's own generator stays as it was. Raises BaseModelError."""
    import torch

    from trainer.autoencoder.networks import load

    made: dict[str, Any] = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(asked.seed)
        for part, settings in asked.sizes.items():
            if part == "vae" and asked.vae is not None:
                made[part] = load(asked.vae)
                continue
            made[part] = _built(part, settings)
    with torch.no_grad():
        for name, weight in made["unet"].named_parameters():
            if name.startswith(_ZEROS[0]) or any(word in name for word in _ZEROS[1:]):
                weight.zero_()
    return made


def _built(part: str, settings: Mapping[str, Any]) -> Any:
    """A network with its library's own first weights, from torch's generator. Raises BaseModelError."""
    import inspect

    from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
    from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
    from transformers.models.clip.configuration_clip import CLIPTextConfig
    from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

    from trainer.families._networks import NO_NETWORK

    kinds: dict[str, Any] = {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
    }
    takes: Any = CLIPTextConfig if part.startswith("text_encoder") else kinds[part].__init__
    known = inspect.signature(takes).parameters
    if strange := [name for name in settings if name not in known]:
        raise BaseModelError(f"--sizes: [{part}] has no setting {strange[0]!r}", hint=nearest(strange[0], known))
    try:
        return kinds[part](CLIPTextConfig(**settings)) if takes is CLIPTextConfig else kinds[part](**settings)
    except NO_NETWORK as error:
        raise BaseModelError(
            f"--sizes: [{part}] describes no network that can be built ({error})", hint="compare it with dsk-tiny.toml"
        ) from None


def _refuse(sizes: Sizes) -> None:
    """Raises ConfigError where the text encoders do not fit the UNet, or the tokenizers."""
    texts = {part: settings for part, settings in sizes.items() if part.startswith("text_encoder")}
    widths = {f"[{part}] hidden_size": one["hidden_size"] for part, one in texts.items()}
    if strange := next((name for name, width in widths.items() if type(width) is not int), ""):
        raise ConfigError(f"--sizes: {strange} is {widths[strange]!r}", hint="write a whole number")
    wide, read = sum(widths.values()), sizes["unet"]["cross_attention_dim"]
    if wide != read:
        raise ConfigError(
            f"--sizes: [unet] cross_attention_dim is {read}, text encoders say {wide} numbers",
            hint="let it be the sum of their hidden_size",
        )
    for part, settings in texts.items():
        if (settings["vocab_size"], settings["max_position_embeddings"]) != _CLIP:
            raise ConfigError(
                f"--sizes: [{part}] must have vocab_size {_CLIP[0]} and max_position_embeddings {_CLIP[1]}",
                hint="tokenizers are CLIP's own",
            )


def _over(own: Sizes, path: Path) -> Sizes:
    """The shipped sizes, some of them replaced. Raises ConfigError."""
    tables = read_toml(path)
    for part, table in tables.items():
        if part not in own:
            raise ConfigError(f"{path}: unknown section [{part}]", hint=nearest(part, own))
        if not isinstance(table, Mapping):
            raise ConfigError(f"{path}: {part} must be a section, [{part}]", hint=f"write [{part}] on its own line")
    return {part: {**settings, **tables.get(part, {})} for part, settings in own.items()}
