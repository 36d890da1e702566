"""Stable Diffusion's networks from their settings: made without first weights, then filled from files or a seed."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from trainer.errors import BaseModelError
from trainer.families._digests import settings_of
from trainer.seeds import seed_for

Settings = Mapping[str, Any]

_CLASSES: dict[str, Any] = {
    "unet": UNet2DConditionModel,
    "vae": AutoencoderKL,
    "text_encoder": CLIPTextModel,
    "text_encoder_2": CLIPTextModelWithProjection,
}
# Numbers are held as the run wants them whatever the file's; the rest is no setting of a network.
_TEXT_NOTES = {"architectures", "dtype", "torch_dtype", "model_type", "transformers_version"}
NO_NETWORK = (
    TypeError,
    ValueError,
    LookupError,
    AttributeError,
    ArithmeticError,
    RuntimeError,
    StrictDataclassError,  # of transformers' settings with a value of the wrong kind
)
"""What the libraries raise where settings describe no network."""


def build(
    settings: Mapping[str, Settings], *, where: Path | str, dtypes: Mapping[str, torch.dtype] | None = None
) -> dict[str, nn.Module]:
    """Networks by part name on the CPU, their weights not yet set. Raises BaseModelError, naming `where`.

    `dtypes`: precision of the weights by part name; float32 for those that it does not name.
    """
    known = dtypes or {}
    return {
        part: build_one(part, given, where=where, dtype=known.get(part, torch.float32))
        for part, given in settings.items()
    }


def build_one(part: str, settings: Settings, *, where: Path | str, dtype: torch.dtype = torch.float32) -> nn.Module:
    """The network of one part; see `build`."""
    try:
        with torch.device("meta"):
            # Not the library's own `to`, which warns.
            network = nn.Module.to(_make(part, settings), dtype)
    except NO_NETWORK as error:
        raise BaseModelError(
            f"{where}: its {part}/config.json describes no network that can be built ({error})",
            hint="copy the base model again",
        ) from None
    network.to_empty(device="cpu")
    for name, buffer in network.named_buffers():
        # The one buffer that files do not hold: 0, 1, 2 ... along its last axis.
        assert name.endswith("position_ids"), name
        buffer.copy_(torch.arange(buffer.shape[-1]).expand(buffer.shape))
    return network.requires_grad_(False).eval()


def _make(part: str, settings: Settings) -> nn.Module:
    kind = _CLASSES[part]
    if part.startswith("text_encoder"):
        given = {key: value for key, value in settings.items() if not key.startswith("_") and key not in _TEXT_NOTES}
        network: nn.Module = kind(CLIPTextConfig(**given))
        return network
    known = inspect.signature(kind.__init__).parameters
    unet_or_vae: nn.Module = kind(**{key: value for key, value in settings.items() if key in known})
    return unet_or_vae


def check(networks: Mapping[str, nn.Module], *, stride_px: int, where: Path | str) -> None:
    """Raises BaseModelError where the networks do not fit each other or the family."""
    vae, unet = settings_of(networks["vae"]), settings_of(networks["unet"])
    found_px = 2 ** (len(vae["block_out_channels"]) - 1)
    if found_px != stride_px:
        raise BaseModelError(
            f"{where}: its VAE has {found_px} px per latent, the family has {stride_px}",
            hint="choose the family that this base belongs to",
        )
    if vae.get("latents_mean") or vae.get("latents_std"):
        raise BaseModelError(f"{where}: its VAE shifts each channel of latents by itself, which is not supported")
    if unet["in_channels"] != vae["latent_channels"]:
        raise BaseModelError(
            f"{where}: its network reads {unet['in_channels']} channels, latents have {vae['latent_channels']}",
            hint="a base for inpainting cannot be trained; use the base that it was made from",
        )


def randomise(networks: Mapping[str, nn.Module], *, seed: int) -> None:
    """Weights that follow from the seed and their names, rather than the libraries' own, which change with versions."""
    for part, network in networks.items():
        for path, tensor in network.named_parameters():
            generator = torch.Generator().manual_seed(seed_for(seed, part, path))
            with torch.no_grad():
                if tensor.dim() < 2:
                    tensor.fill_(1.0 if path.endswith("weight") else 0.0)
                else:
                    spread = 0.02 if "embedding" in path else (tensor[0].numel()) ** -0.5
                    tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)
    _make_sure(networks["vae"])


def _make_sure(vae: nn.Module) -> None:
    """Lowers the VAE's spread to that of a trained one (about exp(-4)), lest noise drown every picture."""
    with torch.no_grad():
        bias = vae.get_submodule("quant_conv").bias
        assert isinstance(bias, torch.Tensor)
        bias[bias.shape[0] // 2 :] = -8.0
