"""LoRA against its formula in float64, and against peft's layers: outputs, gradients and one step of AdamW."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from adapter_material import Toy, attach
from torch import nn
from torch.nn import functional

from trainer.adapters.lora import LoraLayer, size_of
from trainer.contracts.adapter import Attached, Site
from trainer.errors import ConfigError
from trainer.registry import ADAPTERS

LORA = ADAPTERS.load("lora", field="adapter.name")
GEOMETRIES: dict[str, dict[str, Any]] = {
    "3x3": {"kernel_size": 3, "padding": 1},
    "stride": {"kernel_size": 3, "stride": 2, "padding": 1},
    "1x1": {"kernel_size": 1},
    "wide": {"kernel_size": (5, 3), "stride": (1, 2), "padding": (2, 0), "dilation": (1, 2)},
    "same": {"kernel_size": 3, "padding": "same"},
    "circular": {"kernel_size": 3, "padding": 1, "padding_mode": "circular"},
    "groups": {"kernel_size": 3, "padding": 1, "groups": 2, "bias": False},
}


def hung(module: nn.Module, *, rank: int = 3, alpha: float = 1.5, dropout: float = 0.0, **settings: Any) -> Attached:
    model = Toy({"unet": nn.ModuleDict({"x": module.requires_grad_(False)})})
    return attach(LORA, model, [Site("unet.x", rank, alpha, dropout)], **settings)


def layer(attached: Attached) -> LoraLayer:
    found = attached.layers["unet.x"]  # type: ignore[attr-defined]
    assert isinstance(found, LoraLayer)
    return found


def filled(attached: Attached) -> dict[str, torch.Tensor]:
    """Gives every factor values of its own; the state in float64, by suffix."""
    torch.manual_seed(4)
    attached.load({n: torch.randn_like(t) if t.dim() else t for n, t in attached.state().items()})
    return {name.removeprefix("unet.x."): tensor.double() for name, tensor in attached.state().items()}


def test_linear_is_the_formula() -> None:
    base = nn.Linear(8, 5)
    attached = hung(base)
    state, x = filled(attached), torch.randn(2, 7, 8)
    weight = base.weight.double() + 1.5 / 3 * state["lora_up.weight"] @ state["lora_down.weight"]
    expected = functional.linear(x.double(), weight, base.bias.double())
    torch.testing.assert_close(layer(attached)(x).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("tucker", [False, True])
@pytest.mark.parametrize("geometry", GEOMETRIES)
def test_a_convolution_is_the_formula(geometry: str, tucker: bool) -> None:
    """The change of a weight is a sum over ranks, written out here."""
    base = nn.Conv2d(4, 6, **GEOMETRIES[geometry])
    attached = hung(base, tucker=tucker)
    state, x = filled(attached), torch.randn(2, 4, 9, 8)
    up, down = state["lora_up.weight"][:, :, 0, 0], state["lora_down.weight"]
    if "lora_mid.weight" in state:
        down = torch.einsum("pqhw,qi->pihw", state["lora_mid.weight"], down[:, :, 0, 0])
    changed = nn.Conv2d(4, 6, **GEOMETRIES[geometry]).double()
    changed.load_state_dict({name: value.double() for name, value in base.state_dict().items()})
    with torch.no_grad():
        changed.weight += 1.5 / 3 * sum(up[:, r, None, None, None] * down[r] for r in range(3))
    torch.testing.assert_close(layer(attached)(x).double(), changed(x.double()), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close((base.weight + layer(attached).delta()).double(), changed.weight, rtol=1e-5, atol=1e-5)


def test_files_have_sd_scripts_shapes() -> None:
    conv = hung(nn.Conv2d(4, 6, 3)).state()
    assert {name: tuple(tensor.shape) for name, tensor in conv.items()} == {
        "unet.x.lora_down.weight": (3, 4, 3, 3),
        "unet.x.lora_up.weight": (6, 3, 1, 1),
        "unet.x.alpha": (),
    }
    tucker = hung(nn.Conv2d(4, 6, 3), tucker=True).state()
    assert tucker["unet.x.lora_mid.weight"].shape == (3, 3, 3, 3)
    assert tucker["unet.x.lora_down.weight"].shape == (3, 4, 1, 1)
    assert "unet.x.lora_mid.weight" not in hung(nn.Conv2d(4, 6, 1), tucker=True).state()


def test_rank_stabilization_is_in_the_alpha_of_the_file() -> None:
    state = hung(nn.Linear(4, 4), rank=9, alpha=2.0, rank_stabilized=True).state()
    assert float(state["unet.x.alpha"]) / 9 == pytest.approx(2.0 / math.sqrt(9))


def test_the_start_is_kaiming_uniform_and_zero() -> None:
    state = hung(nn.Conv2d(64, 32, 3), rank=16).state()
    down, bound = state["unet.x.lora_down.weight"], (64 * 9) ** -0.5
    assert 0.99 * bound < float(down.abs().max()) <= bound
    assert float(down.std()) == pytest.approx(bound / math.sqrt(3), rel=0.03)
    assert not state["unet.x.lora_up.weight"].any()


def test_size_of_a_files_module() -> None:
    down = torch.zeros(6, 4)
    assert size_of({"lora_down.weight": down, "alpha": torch.tensor(3.0)}) == (6, 3.0)
    assert size_of({"lora_down.weight": down}) == (6, 6.0)
    assert size_of({"hada_w1_a": down}) is None


@pytest.mark.parametrize("base", [nn.Linear(4, 6), nn.Conv2d(4, 6, 3, padding=1)], ids=["linear", "conv"])
@pytest.mark.parametrize("kind", ["dropout", "rank_dropout", "module_dropout"])
def test_dropout_keeps_the_mean_but_that_of_modules(base: nn.Module, kind: str) -> None:
    """Of very many pictures the mean is as without; a module that is left out is left out for all of them."""
    attached = hung(base, **{kind: 0.25})
    filled(attached)
    x = torch.randn(1, 4, 1, 1).expand(1, 4, 4, 4) if isinstance(base, nn.Conv2d) else torch.randn(1, 3, 4)
    many = x.repeat(6000, *[1] * (x.dim() - 1))
    attached.enable(False)
    plain = layer(attached)(x)
    attached.enable(True)
    calm = (layer(attached)(x) - plain).detach()
    attached.train(True)
    torch.manual_seed(0)
    with torch.no_grad():
        if kind == "module_dropout":
            left_out = sum(torch.equal(layer(attached)(x), plain) for _ in range(400))
            assert 60 < left_out < 140
            return
        added = layer(attached)(many) - plain
    assert float(added.var(dim=0).min()) > 0
    torch.testing.assert_close(added.mean(dim=0), calm[0], rtol=0.0, atol=0.06 * float(calm.abs().max()) + 0.02)


def test_ranks_are_dropped_whole_and_per_picture() -> None:
    attached = hung(nn.Linear(4, 3, bias=False), rank=3, alpha=3.0, rank_dropout=0.5)
    attached.load(
        {
            "unet.x.lora_down.weight": torch.ones(3, 4),
            "unet.x.lora_up.weight": torch.eye(3),
            "unet.x.alpha": torch.tensor(3.0),
        }
    )
    layer(attached).base.weight.zero_()
    attached.train(True)
    seen = layer(attached)(torch.ones(64, 5, 4)) / 4
    assert torch.equal(seen, seen[:, :1].expand_as(seen)), "the same ranks all over a picture"
    assert set(seen.flatten().tolist()) == {0.0, 2.0}
    assert len({tuple(row) for row in seen[:, 0].tolist()}) == 8, "any set of ranks, picture by picture"


def test_a_step_without_any_module_still_has_a_gradient() -> None:
    attached = hung(nn.Linear(4, 3), module_dropout=0.999)
    filled(attached)
    attached.train(True)
    layer(attached)(torch.ones(2, 4)).sum().backward()
    assert all(not p.grad.any() for group in attached.groups() for p in group.parameters if p.grad is not None)


@pytest.mark.parametrize("kind", ["dropout", "rank_dropout", "module_dropout"])
def test_dropping_everything_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match=f"{kind} is 1"):
        hung(nn.Linear(4, 4), **{kind: 1.0})


def test_other_modules_are_refused() -> None:
    with pytest.raises(ConfigError, match="LayerNorm"):
        hung(nn.LayerNorm(4))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["linear", "conv", "1x1"])
def test_one_step_is_that_of_peft(kind: str, dtype: torch.dtype) -> None:
    """Same factors, same input: output, gradients, and weights after AdamW."""
    from peft import LoraConfig, inject_adapter_in_model

    make = {
        "linear": lambda: nn.Linear(8, 6),
        "conv": lambda: nn.Conv2d(8, 6, 3, 2, 1),
        "1x1": lambda: nn.Conv2d(8, 6, 1),
    }
    base = make[kind]()
    theirs = nn.ModuleDict({"x": make[kind]()})
    theirs["x"].load_state_dict(base.state_dict())
    theirs = inject_adapter_in_model(LoraConfig(r=3, lora_alpha=1.5, target_modules=["x"]), theirs).to(dtype)
    attached = hung(base)
    filled(attached)
    mine = layer(attached).to(dtype)
    a, b = theirs["x"].lora_A["default"].weight, theirs["x"].lora_B["default"].weight
    a.data.copy_(mine.down.data)
    b.data.copy_(mine.up.data)
    x = torch.randn(2, 8, dtype=dtype) if kind == "linear" else torch.randn(2, 8, 7, 7, dtype=dtype)
    outputs = []
    for module, parameters in ((theirs["x"], [a, b]), (mine, [mine.down, mine.up])):
        outputs.append(module(x))
        outputs[-1].square().mean().backward()
        torch.optim.AdamW(parameters, lr=1e-2, weight_decay=0.1).step()
    near = {"rtol": 1e-6, "atol": 1e-6}
    torch.testing.assert_close(outputs[1], outputs[0], **near)
    for ours, other in ((mine.down, a), (mine.up, b)):
        torch.testing.assert_close(ours.grad, other.grad, **near)
        torch.testing.assert_close(ours.detach(), other.detach(), **near)
