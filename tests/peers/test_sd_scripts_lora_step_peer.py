"""sd-scripts' LoRAModule beside ours: same layers, factors and inputs; outputs, gradients, weights after a step, merge.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements. In half of the layers the alpha is no multiple of the rank.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from peers.real_export import checkout, read_back
from safetensors.torch import load_file, save_file
from torch import nn

from trainer.adapters.lora import LoraLayer
from trainer.contracts.adapter import AdapterSettings, Site
from trainer.contracts.model import Model
from trainer.registry import ADAPTERS

pytestmark = pytest.mark.peers


@dataclass(frozen=True)
class Layer:
    module: nn.Linear | nn.Conv2d
    x: torch.Tensor
    rank: int
    alpha: float
    rate: float = 1e-2

    @property
    def rule(self) -> dict[str, Any]:
        conv = self.module if isinstance(self.module, nn.Conv2d) else None
        geometry = {"stride": conv.stride[0], "padding": int(conv.padding[0])} if conv else {}
        return {"rank": self.rank, "alpha": self.alpha, "rate": self.rate, **geometry}


def layers() -> dict[str, Layer]:
    torch.manual_seed(0)
    return {
        "linear": Layer(nn.Linear(24, 16), torch.randn(2, 5, 24), 4, 1.0),
        "text": Layer(nn.Linear(24, 24), torch.randn(2, 24), 3, 2.5),
        "mix": Layer(nn.Conv2d(8, 12, 1), torch.randn(2, 8, 6, 6), 4, 4.0),
        "conv": Layer(nn.Conv2d(8, 12, 3, padding=1), torch.randn(2, 8, 6, 6), 4, 1.0),
        "shrink": Layer(nn.Conv2d(8, 8, 3, stride=2, padding=1), torch.randn(2, 8, 7, 6), 5, 3.0),
    }


def ours(given: dict[str, Layer]) -> tuple[Any, dict[str, LoraLayer]]:
    model = SimpleNamespace(parts={"unet": nn.ModuleDict({n: one.module for n, one in given.items()})}, device="cpu")
    model.parts["unet"].requires_grad_(False)
    sites = [Site(f"unet.{name}", one.rank, one.alpha) for name, one in given.items()]
    attached: Any = ADAPTERS.load("lora", field="").attach(cast(Model, model), sites, settings=AdapterSettings(seed=1))
    for place, wrapped in enumerate(attached.layers.values()):
        generator = torch.Generator().manual_seed(place)
        wrapped.up.data.copy_(torch.randn(wrapped.up.shape, generator=generator))
    return attached, {name: attached.layers[f"unet.{name}"] for name in given}


def test_a_step_is_that_of_sd_scripts(tmp_path: Path) -> None:
    given = layers()
    attached, wrapped = ours(given)
    tensors: dict[str, torch.Tensor] = {}
    for name, one in given.items():
        factors = {"down": wrapped[name].down, "up": wrapped[name].up}
        here = {"weight": one.module.weight, "bias": one.module.bias, "x": one.x, **factors}
        tensors |= {f"{name}.{key}": cast(torch.Tensor, value).detach().clone() for key, value in here.items()}
    source = tmp_path / "given.safetensors"
    save_file(tensors, source, {"rules": json.dumps({name: one.rule for name, one in given.items()})})
    said = read_back(
        "sd_scripts_lora_step_reader.py", checkout("PEER_SD_SCRIPTS"), str(source), python="PEER_SD_SCRIPTS_PYTHON"
    )
    expected = load_file(f"{source}.found")

    found: dict[str, torch.Tensor] = {}
    for name, one in given.items():
        mine = wrapped[name]
        parameters = [mine.down, mine.up]
        optimizer = torch.optim.AdamW(parameters, lr=one.rate, weight_decay=0.01)
        out = mine(one.x)
        out.square().mean().backward()
        found |= {f"{name}.out": out, f"{name}.down_grad": mine.down.grad, f"{name}.up_grad": mine.up.grad}
        optimizer.step()
        found |= {f"{name}.down": mine.down, f"{name}.up": mine.up}
        state = {key.removeprefix(f"unet.{name}.") for key in attached.state() if key.startswith(f"unet.{name}.")}
        assert said[name]["keys"] == sorted(state)
        assert said[name]["alpha"] == mine.alpha
    attached.merge()
    found |= {f"{name}.merged": one.module.weight for name, one in given.items()}
    assert set(found) == set(expected)
    for key, tensor in found.items():
        torch.testing.assert_close(
            tensor.detach(), expected[key], rtol=1e-5, atol=1e-5, msg=lambda m, k=key: f"{k}: {m}"
        )
