"""A LoRA file put on a base again says what the adapter said: every kind, both families, and files of others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from tiny_bases import write_sd15, write_sdxl

from trainer import assembling, targeting
from trainer.contracts.adapter import Adapter, Attached
from trainer.contracts.model import Geometry, Model
from trainer.errors import LoraFileError
from trainer.formats import kohya_lora
from trainer.plan import Plan
from trainer.registry import ADAPTERS
from trainer.tools.asking import plan_of_base

FAMILIES = ("sd15", "sdxl")
KINDS = ("lora", "loha", "lokr", "dora", "oft")
CASES = [(family, name, "") for family in FAMILIES for name in KINDS]
CASES += [("sd15", name, "tucker = true") for name in ("lora", "loha", "lokr", "dora")]
CASES += [("sd15", "lokr", "full_matrix = true"), ("sd15", "lora", "rank_stabilized = true")]
GEOMETRY = Geometry((64, 64), (0, 0), (64, 64))
TEXTS = {
    "sd15": r"text_targets = ['text_encoder\..*\.(q_proj|fc1)']",
    "sdxl": r"text_targets = ['text_encoder.*\.0\..*\.(q_proj|fc1)', 'text_encoder_2\.text_projection']",
}


@dataclass(frozen=True)
class Base:
    folder: Path
    path: Path

    def plan(self, adapter: str) -> Plan:
        config = self.folder / "bake.toml"
        config.write_text(f"[model]\nbase = '{self.path}'\n[dataset]\nconfig = 'none.toml'\n[adapter]\n{adapter}\n")
        return plan_of_base(config)


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    root = tmp_path_factory.mktemp("bases")
    return {
        "sd15": Base(root, write_sd15(root / "sd15", dtype=torch.float32)),
        "sdxl": Base(root, write_sdxl(root / "sdxl", dtype=torch.float32)),
    }


def trained(plan: Plan) -> tuple[Model, Adapter, Attached]:
    """A model with the config's adapter on it, no tensor as it was at first."""
    model = assembling.load_model(plan)
    kind = ADAPTERS.load(plan.config.adapter.name, field="adapter.name")
    sites = targeting.sites(model.parts, plan.family, plan.config.adapter, kinds=kind.kinds)
    hung = kind.attach(model, sites, settings=assembling.adapter_settings(plan.config))
    generator = torch.Generator().manual_seed(3)
    noise = {name: torch.randn(tensor.shape, generator=generator) for name, tensor in hung.state().items()}
    # As half precision has them, so that no file rounds them again.
    moved = {name: (tensor + 0.03 * noise[name]).half().float() for name, tensor in hung.state().items()}
    hung.load(moved | {name: tensor for name, tensor in hung.state().items() if name.endswith(".alpha")})
    return model, kind, hung


@torch.no_grad()
def says(model: Model) -> torch.Tensor:
    """The network's output for fixed latents and a prompt."""
    noisy = torch.linspace(-2, 2, 4 * 8 * 8).reshape(1, 4, 8, 8).sin()
    condition = model.assemble(model.encode_text(["a blue hat"]), [GEOMETRY])
    return model.predict(noisy, torch.tensor([500.0]), condition=condition)


def put_on(base: Base, path: Path, asked: str = 'name = "lora"') -> tuple[Model, Attached]:
    """A fresh model with the file, by a config that may ask for another kind."""
    plan = base.plan(asked)
    model = assembling.load_model(plan)
    tensors, _ = kohya_lora.load(path)
    return model, assembling.attach_file(plan, model, tensors=tensors)


@pytest.mark.parametrize(
    ("family", "name", "way"),
    [pytest.param(*case, marks=pytest.mark.slow if case[0] == "sd15" and case[1] != "lora" else ()) for case in CASES],
)
def test_a_file_is_put_on_as_what_it_is(
    tmp_path: Path, bases: dict[str, Base], family: str, name: str, way: str
) -> None:
    base, rest = bases[family], f"rank = 3\nalpha = 2.0\nconv_rank = 2\n{TEXTS[family]}"
    plan = base.plan(f'name = "{name}"\n{way}\n{rest}')
    model, _, hung = trained(plan)
    expected, path = says(model), tmp_path / "x.safetensors"
    kohya_lora.save(path, hung.state(), family=plan.family, dtype=torch.float32, metadata={})
    other, again = put_on(base, path)
    assert again.state().keys() == hung.state().keys()
    assert torch.equal(says(other), expected)
    again.enable(False)
    assert float((says(other) - expected).abs().max()) > 1e-4


def foreign(hung: Attached, plan: Plan) -> Mapping[str, torch.Tensor]:
    """Half precision, no alpha, the UNet's modules by diffusers' names."""
    found = {}
    for name, tensor in hung.state().items():
        module, suffix = kohya_lora.split_name(name)
        part, _, inner = module.partition(".")
        own = inner if part == "unet" else plan.family.own_name(part, inner)
        if suffix != "alpha":
            found[f"{plan.family.lora_prefixes[part]}_{own.replace('.', '_')}.{suffix}"] = tensor.half().contiguous()
    return found


@pytest.mark.parametrize("family", FAMILIES)
def test_files_of_others(tmp_path: Path, bases: dict[str, Base], family: str) -> None:
    base = bases[family]
    plan = base.plan(f"rank = 4\nalpha = 4.0\nconv_rank = 2\n{TEXTS[family]}")
    model, _, hung = trained(plan)
    tensors = foreign(hung, plan)
    assert ("lora_te2_text_projection.lora_up.weight" in tensors) == (family == "sdxl")
    save_file(dict(tensors), tmp_path / "foreign.safetensors")
    other, _ = put_on(base, tmp_path / "foreign.safetensors", 'name = "dora"\nrank = 64')
    assert torch.equal(says(other), says(model))


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ((), "is empty"),
        (("lora_unet_mid_block_attentions_0_proj_in.alpha",), "is empty"),
        (("lora_unet_x.diff",), "of kind full"),
        (("lora_unet_x.lora_up.weight", "lora_unet_y.hada_w1_a"), "of kind loha and lora"),
    ],
)
def test_what_is_no_adapter_of_one_kind(keys: tuple[str, ...], said: str) -> None:
    with pytest.raises(LoraFileError, match=said):
        kohya_lora.kind_of(keys)
