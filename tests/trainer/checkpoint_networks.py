"""Networks of SD 1.5 and SDXL, small ones with random weights and whole ones without any."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from trainer.families._single_file import Kind, shipped

_TEXT = {"vocab_size": 50, "hidden_size": 64, "intermediate_size": 96, "projection_dim": 64, "num_hidden_layers": 2}
_VAE = {
    "block_out_channels": [32, 64],
    "layers_per_block": 1,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
}
SMALL: Mapping[str, Mapping[str, Mapping[str, Any]]] = {
    "sd15": {
        "unet": {
            "block_out_channels": [32, 64],
            "layers_per_block": 1,
            "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
            "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
            "cross_attention_dim": 64,
        },
        "vae": _VAE,
        "text_encoder": _TEXT | {"num_attention_heads": 1},
    },
    "sdxl": {
        "unet": {
            "block_out_channels": [32, 64, 128],
            "layers_per_block": 2,
            "transformer_layers_per_block": [1, 1, 2],
            "attention_head_dim": [1, 1, 2],
            "cross_attention_dim": 192,
            "addition_time_embed_dim": 16,
            "projection_class_embeddings_input_dim": 32 + 6 * 16,
        },
        "vae": _VAE | {"layers_per_block": 2},
        "text_encoder": _TEXT | {"num_attention_heads": 1},
        "text_encoder_2": _TEXT | {"hidden_size": 128, "num_attention_heads": 2, "projection_dim": 32},
    },
}


def settings(kind: Kind, *, small: bool) -> dict[str, dict[str, Any]]:
    """Settings by part."""
    plain = shipped(kind)
    del plain["scheduler"]
    return {part: {**own, **(SMALL[kind][part] if small else {})} for part, own in plain.items()}


def build(wanted: Mapping[str, Mapping[str, Any]], device: str = "cpu") -> dict[str, nn.Module]:
    """Networks of these settings."""
    text: Mapping[str, Callable[..., nn.Module]] = {
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
    }
    with torch.device(device):
        networks = {"unet": UNet2DConditionModel(**wanted["unet"]), "vae": AutoencoderKL(**wanted["vae"])}
        return networks | {part: text[part](CLIPTextConfig(**wanted[part])) for part in text if part in wanted}


def small_networks(kind: Kind, *, seed: int = 0) -> dict[str, nn.Module]:
    """Small networks; every weight is a random number that fp16 holds."""
    networks = build(settings(kind, small=True))
    generator = torch.Generator().manual_seed(seed)
    for network in networks.values():
        for weight in network.parameters():
            with torch.no_grad():
                weight.copy_(torch.randn(weight.shape, generator=generator).half())
    return networks


def assert_same(found: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> None:
    """Same names, shapes and numbers."""
    assert set(found) == set(expected)
    wrong = [name for name, tensor in expected.items() if not torch.equal(found[name].float(), tensor.float())]
    assert wrong == []
