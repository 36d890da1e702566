"""Single-file checkpoints of Stable Diffusion: read into the networks, and written from them.

What the readers of the field expect: A1111 and ComfyUI tell the kind of model by its keys and shapes, sd-scripts
refuses a file with a key missing or too many. Weights are read and written one at a time.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trainer.contracts.model import Prediction
from trainer.errors import BaseModelError, some
from trainer.families import _ldm_text, _ldm_unet, _ldm_vae
from trainer.families._ldm_text import Place
from trainer.families._network_settings import Kind, network_settings, shipped
from trainer.families._tensor_file import Outgoing, opened, outgoing, write_tensors

__all__ = ["Kind", "load_networks", "load_vae", "network_settings", "places", "save_checkpoint", "shipped"]

_PREFIXES = {
    ("sd15", "unet"): _ldm_unet.PREFIX,
    ("sd15", "vae"): _ldm_vae.PREFIX,
    ("sd15", "text_encoder"): _ldm_text.SD15_PREFIX,
    ("sdxl", "unet"): _ldm_unet.PREFIX,
    ("sdxl", "vae"): _ldm_vae.PREFIX,
    ("sdxl", "text_encoder"): _ldm_text.SDXL_PREFIX,
    ("sdxl", "text_encoder_2"): _ldm_text.SDXL_SECOND_PREFIX,
}
_NO_WEIGHTS = ("position_ids", "logit_scale")
"""Last words of keys that tools write beside the weights: constants, and what only CLIP's own training needs."""
_LOGIT_SCALE = math.log(100.0)
"""OpenCLIP's largest; bigG's is there. sd-scripts writes it back, and nothing reads it."""


def places(network: nn.Module, part: str, kind: Kind) -> dict[str, Place]:
    """Where each weight of a network lies in a checkpoint, by its key in the network."""
    prefix = _PREFIXES[kind, part]
    config: Any = network.config
    found = {}
    for key in network.state_dict():
        place = _place(key, part, kind=kind, config=config)
        found[key] = Place(prefix + place.key, place.third, place.turned)
    return found


def _place(key: str, part: str, *, kind: Kind, config: Any) -> Place:
    if part == "unet":
        return Place(_ldm_unet.to_ldm(key, _ldm_unet.shape_of(config)))
    if part == "vae":
        return Place(_ldm_vae.to_ldm(key, len(config["up_block_types"])))
    if part == "text_encoder_2":
        return _ldm_text.to_open_clip(key)
    return Place(_ldm_text.to_clip(key))


def load_networks(path: Path, networks: Mapping[str, nn.Module], kind: Kind) -> None:
    """Fills the networks, in their own precision. Raises BaseModelError where a weight is missing or strange.

    Networks on the meta device come to the CPU, and then need no memory before. Parts that are not in `networks` are
    not looked at, nor are averaged weights (`model_ema.*`).
    """
    with opened(path) as file:
        keys = frozenset(file.keys())
        for part, network in networks.items():
            prefix = _PREFIXES[kind, part]
            inside = {key for key in keys if key.startswith(prefix)}
            if not inside:
                raise BaseModelError(f"{path}: holds no {part}", hint="a base needs its UNet, VAE and text encoders")
            table = places(network, part, kind)
            if part == "text_encoder":
                table = {own: _as_in_file(place, prefix, keys) for own, place in table.items()}
            spare = {key for key in inside if _is_spare(key.removeprefix(prefix), part)}
            _fill(network, table, file, path=path, inside=inside - spare)


def _as_in_file(place: Place, prefix: str, keys: frozenset[str]) -> Place:
    """Some SD 1.5 files lack the level `text_model.`."""
    short = prefix + place.key.removeprefix(prefix + "text_model.")
    return Place(short) if short in keys and place.key not in keys else place


def _is_spare(key: str, part: str) -> bool:
    if part == "vae":
        return key.startswith(("loss.", "model_ema."))
    return key.rpartition(".")[2] in _NO_WEIGHTS or (part == "text_encoder" and "text_projection" in key)


def _fill(network: nn.Module, table: Mapping[str, Place], file: Any, *, path: Path, inside: set[str]) -> None:
    named = {place.key for place in table.values()}
    missing, strange = sorted(named - inside), sorted(inside - named)
    if missing or strange:
        raise BaseModelError(
            f"{path}: lacks {some(missing, limit=2) or 'nothing'}, has strange {some(strange, limit=2) or 'nothing'}",
            hint="it is another kind of model, or was saved by a tool that left weights out",
        )
    shapes = {key: tensor.shape for key, tensor in network.state_dict().items()}
    for key, place in table.items():
        _put(network, key, _fitted(_read(file, place), shapes[key], where=f"{path}: {place.key}"))
    _constants(network)


def _read(file: Any, place: Place) -> torch.Tensor:
    if place.third is None:
        tensor: torch.Tensor = file.get_tensor(place.key)
        return tensor.T if place.turned else tensor
    rows = file.get_slice(place.key)
    third = rows.get_shape()[0] // 3
    part: torch.Tensor = rows[place.third * third : (place.third + 1) * third]
    return part


def _fitted(tensor: torch.Tensor, shape: torch.Size, *, where: str) -> torch.Tensor:
    """Of that shape; a matrix and a 1x1 convolution are one another's. Raises BaseModelError."""
    if not tensor.is_floating_point():
        raise BaseModelError(f"{where} holds {tensor.dtype} numbers", hint="choose a base in fp16, bf16 or fp32")
    if _without_ones(tensor.shape) != _without_ones(shape):
        raise BaseModelError(
            f"{where} has the shape {list(tensor.shape)}, not {list(shape)}", hint="it is another kind of model"
        )
    return tensor.reshape(shape)


def _without_ones(shape: torch.Size) -> tuple[int, ...]:
    return tuple(shape[:2]) if len(shape) == 4 and shape[2:] == (1, 1) else tuple(shape)


def _put(network: nn.Module, key: str, tensor: torch.Tensor) -> None:
    """Straight from the file into its place, in the network's precision."""
    owner, _, name = key.rpartition(".")
    module = network.get_submodule(owner)
    old = getattr(module, name)
    if old.is_meta:
        setattr(module, name, nn.Parameter(tensor.to(old.dtype, copy=True), requires_grad=old.requires_grad))
    else:
        with torch.no_grad():
            old.copy_(tensor)


def _constants(network: nn.Module) -> None:
    """The positions 0, 1, 2 ... of text models that were made on the meta device."""
    for module in network.modules():
        ids = module._buffers.get("position_ids")
        if ids is not None and ids.is_meta:
            module._buffers["position_ids"] = torch.arange(ids.shape[-1]).expand(ids.shape).clone()


def save_checkpoint(
    networks: Mapping[str, nn.Module],
    path: Path,
    *,
    kind: Kind,
    dtype: torch.dtype,
    metadata: Mapping[str, str],
    prediction: Prediction,
) -> None:
    """Writes one .safetensors file, whole or not at all; needs no memory for a copy. Raises WriteError.

    Empty tensors `v_pred` and `ztsnr` tell what the network says, as NoobAI's files do and ComfyUI reads.
    """
    tensors: dict[str, Outgoing] = {}
    for part, network in networks.items():
        tensors |= _outgoing(network, places(network, part, kind))
    if "text_encoder_2" in networks:
        tensors[_ldm_text.SDXL_SECOND_PREFIX + "logit_scale"] = outgoing(torch.tensor(_LOGIT_SCALE))
    if prediction.objective == "v_prediction":
        tensors["v_pred"] = outgoing(torch.empty(0))
    if prediction.zero_terminal_snr:
        tensors["ztsnr"] = outgoing(torch.empty(0))
    write_tensors(path, tensors, dtype=dtype, metadata=metadata)


def _outgoing(network: nn.Module, table: Mapping[str, Place]) -> dict[str, Outgoing]:
    state = network.state_dict()
    pieces: dict[str, list[tuple[int, torch.Tensor]]] = {}
    found = {}
    for key, place in table.items():
        if place.third is not None:
            pieces.setdefault(place.key, []).append((place.third, state[key]))
        elif place.turned:
            found[place.key] = Outgoing((state[key],), tuple(reversed(state[key].shape)), turned=True)
        elif _ldm_vae.is_convolution(place.key):
            found[place.key] = outgoing(state[key][:, :, None, None])
        else:
            found[place.key] = outgoing(state[key])
    for name, thirds in pieces.items():
        found[name] = outgoing(*(tensor for _, tensor in sorted(thirds, key=lambda one: one[0])))
    return found


def load_vae(path: Path, vae: nn.Module) -> None:
    """Fills the VAE from a file of its own or a folder in diffusers' layout. Raises BaseModelError.

    A file's keys are the checkpoints', with their prefix or without, or diffusers', today's or those before 0.17.
    """
    file_path = _vae_file(path)
    with opened(file_path) as file:
        keys = frozenset(file.keys())
        prefix = next((one for one in (_ldm_vae.PREFIX, "vae.") if any(key.startswith(one) for key in keys)), "")
        inside = {key for key in keys if key.startswith(prefix)}
        inside -= {key for key in inside if _is_spare(key.removeprefix(prefix), "vae")}
        own = {_ldm_vae.modern(key.removeprefix(prefix)): key for key in inside}
        config: Any = vae.config
        table = {}
        for key in vae.state_dict():
            theirs = prefix + _ldm_vae.to_ldm(key, len(config["up_block_types"]))
            table[key] = Place(own.get(key, theirs))
        _fill(vae, table, file, path=file_path, inside=inside)


def _vae_file(path: Path) -> Path:
    if path.suffix == ".safetensors":
        return path
    name = "diffusion_pytorch_model.safetensors"
    found = next((one for one in (path / name, path / "vae" / name) if one.is_file()), None)
    if found is None:
        raise BaseModelError(f"{path}: holds no VAE", hint=f"a .safetensors file, or a folder with {name}")
    return found
