"""The VAE itself: new or a base's, and as a folder in diffusers' layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from torch import nn

from trainer.atomic import write_folder
from trainer.autoencoder.sections import NetworkConfig
from trainer.bases import identify, read_header
from trainer.errors import BaseModelError, WriteError
from trainer.families import _folder, _networks
from trainer.families._digests import settings_of
from trainer.registry import FAMILIES

_FILE_KINDS = ("sd15", "sdxl")
_DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


def settings(config: NetworkConfig) -> dict[str, Any]:
    """Those of a new VAE, as diffusers' class takes them."""
    levels = len(config.block_out_channels)
    return {
        "in_channels": 3,
        "out_channels": 3,
        "latent_channels": config.latent_channels,
        "layers_per_block": config.layers_per_block,
        "block_out_channels": list(config.block_out_channels),
        "down_block_types": ["DownEncoderBlock2D"] * levels,
        "up_block_types": ["UpDecoderBlock2D"] * levels,
        "norm_num_groups": config.norm_num_groups,
        "mid_block_add_attention": config.mid_block_attention,
        # Until it is measured.
        "scaling_factor": 1.0,
        "force_upcast": False,
    }


def make(config: NetworkConfig, *, seed: int) -> tuple[Any, torch.Generator]:
    """The VAE on the CPU and the generator of all further draws, which goes on where the first weights ended.

    First weights are diffusers' own. Raises BaseModelError.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        vae = load(Path(config.base)) if config.base else AutoencoderKL(**settings(config))
        draws = torch.Generator()
        draws.set_state(torch.get_rng_state())
    vae.requires_grad_(config.trained == "all").train()
    for part in (vae.decoder, vae.post_quant_conv):
        if part is not None:
            part.requires_grad_(True)
    return vae, draws


def load(path: Path) -> nn.Module:
    """A folder's VAE, or that of a base model's file, float32. Raises BaseModelError."""
    if path.is_dir():
        folder = path / "vae" if (path / "vae" / "config.json").is_file() else path
        vae = _networks.build_one("vae", _folder.read_json(folder / "config.json"), where=path)
        _folder.fill(vae, _folder.weight_files(folder, "vae"))
        return vae
    if not path.exists():
        raise BaseModelError(f"{path}: there is no such VAE", hint="name its folder, or a base model's folder or file")
    from trainer.families._network_settings import network_settings
    from trainer.families._single_file import load_vae

    header = read_header(path)
    families = {name: FAMILIES.load(name, field="network.base") for name in _FILE_KINDS}
    name, _ = identify(header, families)
    kind: Literal["sd15", "sdxl"] = "sd15" if name == "sd15" else "sdxl"
    vae = _networks.build_one("vae", network_settings(header, kind)["vae"], where=path)
    load_vae(path, vae)
    return vae


def stride_px(vae: Any) -> int:
    """Pixels of a latent's side. Raises BaseModelError for a VAE that is none of pictures."""
    config = vae.config
    if config["in_channels"] != 3 or config["out_channels"] != 3:
        raise BaseModelError("network.base: its VAE does not read and write RGB", hint="choose another VAE")
    return int(2 ** (len(config["block_out_channels"]) - 1))


def write(vae: Any, folder: Path, *, dtype: str) -> None:
    """Writes config.json and the weights; whole or not at all. Raises WriteError."""
    kind = _DTYPES[dtype]
    weights = {name: tensor.detach().to("cpu", kind).contiguous() for name, tensor in vae.state_dict().items()}
    for name, tensor in weights.items():
        if not bool(torch.isfinite(tensor).all()):
            raise WriteError(f"{folder}: {name} holds numbers that {dtype} cannot", hint="choose output.dtype bf16")
    told = {**settings_of(vae), "_class_name": "AutoencoderKL"}
    content = {
        "config.json": (json.dumps(told, indent=2, sort_keys=True) + "\n").encode(),
        "diffusion_pytorch_model.safetensors": safetensors.torch.save(weights, metadata={"format": "pt"}),
    }
    write_folder(folder, content)
