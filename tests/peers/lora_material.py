"""Full sets of LoRA tensors, with the modules and shapes of the real networks and none of their weights."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import torch
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from torch import nn
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel, CLIPTextModelWithProjection

from trainer import targeting
from trainer.contracts.adapter import AdapterSettings
from trainer.contracts.model import Family, Model
from trainer.families._network_settings import shipped
from trainer.registry import ADAPTERS, FAMILIES
from trainer.sections import AdapterConfig

CLASSES = {"text_encoder": CLIPTextModel, "text_encoder_2": CLIPTextModelWithProjection}


def family_of(name: str) -> Family:
    return FAMILIES.load(name, field="model.family")


def parts(family: str) -> dict[str, nn.Module]:
    """The trainable networks of a family, of full size, without memory."""
    settings = shipped(cast("Any", family))
    with torch.device("meta"):
        made: dict[str, nn.Module] = {"unet": UNet2DConditionModel.from_config(settings["unet"])}
        for name, kind in CLASSES.items():
            if name in settings:
                given = {key: value for key, value in settings[name].items() if not key.startswith("_")}
                made[name] = kind(CLIPTextConfig(**given))
    return made


def state(family: str, adapter: str, **config: Any) -> dict[str, torch.Tensor]:
    """What an adapter on every module has to save, filled with small numbers."""
    asked = {"rank": 2, "alpha": 1.0, "conv_rank": 2, "targets": "full", "text_targets": "attention+mlp", **config}
    tucker = bool(asked.pop("tucker", False))
    kind = ADAPTERS.load(adapter, field="adapter.name")
    model = cast("Model", SimpleNamespace(parts=parts(family), device=torch.device("meta")))
    sites = targeting.sites(model.parts, family_of(family), config=AdapterConfig(adapter, **asked), kinds=kind.kinds)
    attached = kind.attach(model, sites, settings=AdapterSettings(seed=1, tucker=tucker))
    return {name: _filled(tensor, number) for number, (name, tensor) in enumerate(attached.state().items())}


def _filled(tensor: torch.Tensor, number: int) -> torch.Tensor:
    if tensor.device.type != "meta":
        return tensor.float()
    return torch.linspace(-0.01, 0.02, tensor.numel()).reshape(tensor.shape) * (1 + number % 7)
