"""Whole SD 1.5 and SDXL networks in fp16, made fast: constants with a few random numbers at each weight's ends."""

from __future__ import annotations

from pathlib import Path

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from trainer.contracts.model import Prediction
from trainer.families._single_file import Kind, save_checkpoint, shipped


def empty_networks(kind: Kind) -> dict[str, nn.Module]:
    """On the meta device."""
    wanted = shipped(kind)
    with torch.device("meta"):
        networks: dict[str, nn.Module] = {
            "unet": UNet2DConditionModel(**wanted["unet"]),
            "vae": AutoencoderKL(**wanted["vae"]),
            "text_encoder": CLIPTextModel(CLIPTextConfig(**wanted["text_encoder"])),  # type: ignore[arg-type]
        }
        if kind == "sdxl":
            second = CLIPTextConfig(**wanted["text_encoder_2"])
            networks["text_encoder_2"] = CLIPTextModelWithProjection(second)
    return networks


def whole_networks(kind: Kind) -> dict[str, nn.Module]:
    """fp16, on the CPU."""
    networks = empty_networks(kind)
    generator = torch.Generator().manual_seed(0)
    for network in networks.values():
        network.half().to_empty(device="cpu").requires_grad_(False)
        for number, weight in enumerate(network.parameters()):
            weight.fill_(number % 100 / 1000)
            ends = torch.randn(16, generator=generator).half() * 0.1
            flat = weight.view(-1)
            flat[:8], flat[-8:] = ends[: flat[:8].numel()], ends[8 : 8 + flat[-8:].numel()]
    return networks


def write_whole(networks: dict[str, nn.Module], path: Path, kind: Kind, *, told: Prediction) -> None:
    """As fp16."""
    save_checkpoint(networks, path, kind=kind, dtype=torch.float16, metadata={}, prediction=told)
