"""Base models in small for tests: Stable Diffusion 1.5 and SDXL as they are built, of random weights.

Blocks, layers and key names are those of the real ones, only narrow. Heads are as many as readers of single files
take for granted: 8 in SD 1.5's UNet, one per 64 channels in SDXL's, one per 64 values (at least one) in the text
models.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors.torch import load_file, save_file
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from trainer.contracts.model import BaseHeader, Prediction

SD15_UNET: dict[str, Any] = {
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [32, 32, 64, 64],
    "down_block_types": ["CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32,
    "attention_head_dim": 8,
}
SDXL_UNET: dict[str, Any] = {
    "sample_size": 128,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [32, 64, 64],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
    "cross_attention_dim": 64,
    "attention_head_dim": [1, 1, 1],
    "transformer_layers_per_block": [1, 1, 2],
    "use_linear_projection": True,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 6 * 256 + 32,
}
VAE: dict[str, Any] = {
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [32, 32, 32, 32],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
TEXT: dict[str, Any] = {
    "vocab_size": 49408,
    "hidden_size": 32,
    "intermediate_size": 128,
    "num_hidden_layers": 3,
    "num_attention_heads": 1,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "bos_token_id": 0,
    "eos_token_id": 2,
    "pad_token_id": 1,
    "projection_dim": 32,
}
SCHEDULER: dict[str, Any] = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "clip_sample": False,
    "set_alpha_to_one": False,
    "steps_offset": 1,
}


def sd15_networks(seed: int = 0) -> dict[str, torch.nn.Module]:
    """UNet, VAE and text model, float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "unet": UNet2DConditionModel(**SD15_UNET),
            "vae": _vae(0.18215),
            "text_encoder": _text(CLIPTextModel, TEXT),
        }


def sdxl_networks(seed: int = 0) -> dict[str, torch.nn.Module]:
    """UNet, VAE and both text models, float32."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return {
            "unet": UNet2DConditionModel(**SDXL_UNET),
            "vae": _vae(0.13025),
            # As many layers as the real one has: sd-scripts takes the eleventh.
            "text_encoder": _text(CLIPTextModel, TEXT | {"num_hidden_layers": 12}),
            "text_encoder_2": _text(CLIPTextModelWithProjection, TEXT | {"hidden_act": "gelu"}),
        }


def write_sd15(
    folder: Path,
    *,
    single_file: bool = False,
    prediction: str = "epsilon",
    zero_terminal_snr: bool = False,
    dtype: torch.dtype = torch.float16,
) -> Path:
    """A folder in diffusers' layout at `folder`, or a file `sd15.safetensors` in it; which one is returned."""
    return _written(sd15_networks(), folder, "sd15" if single_file else "", (prediction, zero_terminal_snr, dtype))


def write_sdxl(
    folder: Path,
    *,
    single_file: bool = False,
    prediction: str = "epsilon",
    zero_terminal_snr: bool = False,
    dtype: torch.dtype = torch.float16,
) -> Path:
    """A folder in diffusers' layout at `folder`, or a file `sdxl.safetensors` in it; which one is returned."""
    return _written(sdxl_networks(), folder, "sdxl" if single_file else "", (prediction, zero_terminal_snr, dtype))


def header_of(path: Path) -> BaseHeader:
    """What is known of a folder without its weights."""
    found = {str(file.relative_to(path)): json.loads(file.read_text("utf-8")) for file in path.rglob("*.json")}
    return BaseHeader(path, configs={name.replace(os.sep, "/"): value for name, value in found.items()})


def real_modules(kind: str) -> dict[str, torch.nn.Module]:
    """UNet and text models of the real SD 1.5 (`sd15`) or SDXL (`sdxl`), as wide as they are, without weights."""
    sd15 = {"block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768}
    sdxl = {
        "block_out_channels": [320, 640, 1280],
        "cross_attention_dim": 2048,
        "attention_head_dim": [5, 10, 20],
        "transformer_layers_per_block": [1, 2, 10],
        "projection_class_embeddings_input_dim": 2816,
    }
    large = {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    huge = {"hidden_size": 1280, "intermediate_size": 5120, "num_hidden_layers": 32, "num_attention_heads": 20}
    with torch.device("meta"):
        first = _text(CLIPTextModel, TEXT | large)
        if kind == "sd15":
            return {"unet": UNet2DConditionModel(**SD15_UNET | sd15), "text_encoder": first}
        second = _text(CLIPTextModelWithProjection, TEXT | huge | {"projection_dim": 1280})
        return {"unet": UNet2DConditionModel(**SDXL_UNET | sdxl), "text_encoder": first, "text_encoder_2": second}


def _written(
    networks: dict[str, torch.nn.Module], folder: Path, kind: str, settings: tuple[str, bool, torch.dtype]
) -> Path:
    prediction, zero_terminal_snr, dtype = settings
    folder.mkdir(parents=True, exist_ok=True)
    if kind:
        return _single_file(networks, folder / f"{kind}.safetensors", kind, settings)
    for part, network in networks.items():
        for tensor in network.parameters():
            tensor.data = tensor.data.to(dtype)
        network.save_pretrained(folder / part)  # type: ignore[operator]
    _as_published(folder / "text_encoder" / "model.safetensors")
    scheduler = SCHEDULER | {"prediction_type": prediction, "rescale_betas_zero_snr": zero_terminal_snr}
    (folder / "scheduler").mkdir(exist_ok=True)
    (folder / "scheduler" / "scheduler_config.json").write_text(json.dumps(scheduler))
    is_sdxl = "text_encoder_2" in networks
    index = {"_class_name": "StableDiffusionXLPipeline" if is_sdxl else "StableDiffusionPipeline"}
    (folder / "model_index.json").write_text(json.dumps(index))
    return folder


def _as_published(path: Path) -> None:
    """Names in files start with `text_model.`, whatever the version of transformers writes."""
    tensors = load_file(path)
    save_file({f"text_model.{name.removeprefix('text_model.')}": tensor for name, tensor in tensors.items()}, path)


def _single_file(
    networks: dict[str, torch.nn.Module], path: Path, kind: str, settings: tuple[str, bool, torch.dtype]
) -> Path:
    from trainer.families._single_file import save_checkpoint

    prediction, zero_terminal_snr, dtype = settings
    save_checkpoint(
        networks, path, kind=kind, dtype=dtype, metadata={}, prediction=Prediction(prediction, zero_terminal_snr)
    )
    return path


def _vae(scaling_factor: float) -> torch.nn.Module:
    """With the spread of a trained one, about exp(-4), lest noise drown every picture."""
    vae: torch.nn.Module = AutoencoderKL(**VAE, scaling_factor=scaling_factor)
    with torch.no_grad():
        bias = vae.get_submodule("quant_conv").bias
        assert isinstance(bias, torch.Tensor)
        bias[bias.shape[0] // 2 :] = -8.0
    return vae


def _text(kind: Any, settings: dict[str, Any]) -> torch.nn.Module:
    network: torch.nn.Module = kind(CLIPTextConfig(**settings))
    return network
