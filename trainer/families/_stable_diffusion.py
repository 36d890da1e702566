"""Stable Diffusion's three networks behind the model contract: UNet, VAE and one CLIP text model.

B batch, S text states (77 per chunk of 75 tokens), D width of the text model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from safetensors import SafetensorError
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from trainer.atomic import write_file
from trainer.contracts import BaseSource, Geometry
from trainer.errors import BaseModelError, some
from trainer.families._clip_text import chunks
from trainer.seeds import seed_for

_FILES = {
    "unet": "diffusion_pytorch_model.safetensors",
    "vae": "diffusion_pytorch_model.safetensors",
    "text_encoder": "model.safetensors",
}
_REMEMBERED_PROMPTS = 4096


class StableDiffusion:
    """A loaded model; see `trainer.contracts.Model`."""

    def __init__(self, networks: Mapping[str, nn.Module], device: str) -> None:
        self.device = torch.device(device)
        for network in networks.values():
            network.requires_grad_(False).eval().to(self.device)
        self.networks = networks
        self.unet, self.vae, self.text_encoder = networks["unet"], networks["vae"], networks["text_encoder"]
        self.parts: Mapping[str, nn.Module] = {"unet": self.unet}
        self.latent_channels = int(_settings(self.vae)["latent_channels"])
        self._states: dict[str, torch.Tensor] = {}

    def digest(self) -> str:
        """Of all three networks."""
        each = "".join(_digest(network) for network in self.networks.values())
        return hashlib.sha256(each.encode()).hexdigest()

    def vae_digest(self) -> str:
        """Of the VAE's weights and settings."""
        return _digest(self.vae)

    @torch.no_grad()
    def encode_pixels(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and deviation, times the VAE's scaling factor."""
        found = self.vae.encode(pixels).latent_dist  # type: ignore[operator]
        scale = self._scale()
        return found.mean * scale, found.std * scale

    @torch.no_grad()
    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Pixels in -1..1."""
        pixels: torch.Tensor = self.vae.decode(latents / self._scale()).sample  # type: ignore[operator]
        return pixels.clamp(-1.0, 1.0)

    def condition(self, prompts: Sequence[str], geometry: Sequence[Geometry]) -> dict[str, torch.Tensor]:
        """`states` [B, S, D]; a shorter prompt is filled up with the states of an empty one."""
        states = [self._state(prompt) for prompt in prompts]
        longest = max(state.shape[0] for state in states)
        empty = self._state("")
        filled = [torch.cat([state, *[empty] * ((longest - state.shape[0]) // empty.shape[0])]) for state in states]
        return {"states": torch.stack(filled)}

    def predict(
        self, noisy: torch.Tensor, times: torch.Tensor, *, condition: Mapping[str, torch.Tensor]
    ) -> torch.Tensor:
        """The UNet's output."""
        output: torch.Tensor = self.unet(noisy, times, condition["states"], return_dict=False)[0]
        return output

    def _scale(self) -> float:
        return float(_settings(self.vae)["scaling_factor"])

    @torch.no_grad()
    def _state(self, prompt: str) -> torch.Tensor:
        """[S, D]; the text model is frozen, so each prompt is encoded once, alone, and remembered."""
        known = self._states.get(prompt)
        if known is None:
            if len(self._states) >= _REMEMBERED_PROMPTS:
                self._states.clear()
            rows = torch.tensor(chunks(prompt), device=self.device)
            known = self.text_encoder(rows).last_hidden_state.flatten(0, 1)
            self._states[prompt] = known
        return known


def random(source: BaseSource, **settings: Mapping[str, Any]) -> StableDiffusion:
    """Networks of these settings (`unet`, `vae`, `text`) whose weights follow from the seed and their names."""
    networks = _build(settings["unet"], settings["vae"], text=settings["text"])
    for name, network in networks.items():
        _randomise(network, name, seed=source.seed)
    _make_sure(networks["vae"])
    return StableDiffusion(networks, source.device)


def from_folder(source: BaseSource, *, stride_px: int) -> StableDiffusion:
    """The networks in a folder of config.json and safetensors. Raises BaseModelError."""
    folder = source.folder
    assert folder is not None
    if not folder.is_dir():
        raise BaseModelError(f"{folder}: is not a folder", hint="correct model.base, or leave it empty")
    _refuse_other_prediction(folder, source.prediction_type)
    settings = [_read_json(folder / part / "config.json") for part in _FILES]
    try:
        networks = _build(settings[0], settings[1], text=settings[2])
    except (TypeError, ValueError, KeyError) as error:
        raise BaseModelError(f"{folder}: its config.json files describe no model ({error})") from None
    found_px = 2 ** (len(_settings(networks["vae"])["block_out_channels"]) - 1)
    if found_px != stride_px:
        raise BaseModelError(
            f"{folder}: its VAE has {found_px} px per latent, the family has {stride_px}",
            hint="choose the family that this base belongs to",
        )
    for part, name in _FILES.items():
        _load_weights(networks[part], folder / part / name)
    return StableDiffusion(networks, source.device)


def write_folder(model: StableDiffusion, folder: Path, *, prediction_type: str) -> None:
    """Writes what `from_folder` reads, in the layout of diffusers. Raises WriteError."""
    for part, name in _FILES.items():
        network = model.networks[part]
        prefix = "text_model." if part == "text_encoder" else ""
        tensors = {prefix + _text_key(key): tensor.contiguous() for key, tensor in network.state_dict().items()}
        write_file(folder / part / name, safetensors.torch.save(tensors, {"format": "pt"}))
        text = json.dumps(_settings(network), indent=2, sort_keys=True, default=str)
        write_file(folder / part / "config.json", text.encode())
    text = json.dumps({"prediction_type": prediction_type}, indent=2)
    write_file(folder / "scheduler" / "scheduler_config.json", text.encode())


def _build(unet: Mapping[str, Any], vae: Mapping[str, Any], *, text: Mapping[str, Any]) -> dict[str, nn.Module]:
    def settings_of(given: Mapping[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in given.items() if not key.startswith("_")}

    text_model: Callable[..., nn.Module] = CLIPTextModel
    return {
        "unet": UNet2DConditionModel(**settings_of(unet)),
        "vae": AutoencoderKL(**settings_of(vae)),
        "text_encoder": text_model(CLIPTextConfig(**settings_of(text))),
    }


def _digest(network: nn.Module) -> str:
    sums = hashlib.sha256(json.dumps(_settings(network), sort_keys=True, default=str).encode())
    for name, tensor in sorted(network.state_dict().items()):
        sums.update(name.encode())
        sums.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return sums.hexdigest()


def _settings(network: nn.Module) -> dict[str, Any]:
    config: Any = network.config
    known = config.to_dict() if hasattr(config, "to_dict") else config
    # The libraries' notes to themselves, such as their versions, are no settings of the network.
    return {key: value for key, value in known.items() if not key.startswith("_") and key != "transformers_version"}


def _randomise(network: nn.Module, name: str, *, seed: int) -> None:
    """Our own start rather than the libraries', which changes with their versions."""
    for path, tensor in network.named_parameters():
        generator = torch.Generator().manual_seed(seed_for(seed, name, path))
        with torch.no_grad():
            if tensor.dim() < 2:
                tensor.fill_(1.0 if path.endswith("weight") else 0.0)
            else:
                spread = 0.02 if "embedding" in path else (tensor[0].numel()) ** -0.5
                tensor.copy_(torch.randn(tensor.shape, generator=generator) * spread)


def _make_sure(vae: nn.Module) -> None:
    """Lowers the VAE's spread to that of a trained one (about exp(-4)), lest noise drown every picture."""
    with torch.no_grad():
        bias = vae.get_submodule("quant_conv").bias
        assert isinstance(bias, torch.Tensor)
        bias[bias.shape[0] // 2 :] = -8.0


def _text_key(name: str) -> str:
    """transformers names the text model's weights with or without this prefix, files have it."""
    return name.removeprefix("text_model.")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
    except OSError as error:
        raise BaseModelError(
            f"{path}: cannot be read ({error.strerror})", hint="a base has unet, vae, text_encoder"
        ) from None
    except ValueError as error:
        raise BaseModelError(f"{path}: is not JSON ({error})", hint="copy the base model again") from None
    if not isinstance(data, dict):
        raise BaseModelError(f"{path}: is not a JSON object", hint="copy the base model again")
    return data


def _refuse_other_prediction(folder: Path, expected: str) -> None:
    path = folder / "scheduler" / "scheduler_config.json"
    if not path.is_file():
        return
    found = _read_json(path).get("prediction_type", "epsilon")
    if found != expected:
        raise BaseModelError(
            f"{folder}: this base was trained for {found!r}, not {expected!r}", hint="choose that objective"
        )


def _load_weights(network: nn.Module, path: Path) -> None:
    try:
        tensors = safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as error:
        raise BaseModelError(f"{path}: cannot be read ({error})", hint="copy the base model again") from None
    # Old exports carry the positions 0..76 as if they were weights.
    own = {_text_key(name): name for name in network.state_dict()}
    tensors = {
        own.get(_text_key(name), name): tensor for name, tensor in tensors.items() if not name.endswith("position_ids")
    }
    try:
        missing, strange = network.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise BaseModelError(
            f"{path}: {str(error).splitlines()[-1].strip()}", hint="config.json is not its own"
        ) from None
    if missing or strange:
        raise BaseModelError(
            f"{path}: lacks {some(missing, limit=2) or 'nothing'}, has strange {some(strange, limit=2) or 'nothing'}",
            hint="config.json is not its own",
        )
