"""Plans put into effect on the tiny model: what is stored, run again or compiled learns the same."""

from __future__ import annotations

import copy
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from trainer import targeting
from trainer.bases import read_header
from trainer.config import Config
from trainer.contracts.adapter import AdapterSettings, Attached
from trainer.contracts.model import BaseSource, Geometry, Model, Prediction, SaveAs
from trainer.errors import ConfigError
from trainer.memory import stored
from trainer.memory.applying import prepare
from trainer.memory.placing import using
from trainer.registry import ADAPTERS, FAMILIES
from trainer.run_sections import MemoryConfig
from trainer.sections import AdapterConfig

TINY = FAMILIES.load("tiny", field="model.family")
KINDS = ("lora", "oft", *(pytest.param(name, marks=pytest.mark.slow) for name in ("loha", "lokr", "dora")))
GEOMETRY = [Geometry((32, 32), (0, 0), (32, 32))]


@pytest.fixture(scope="module")
def fresh() -> Model:
    return TINY.load(BaseSource(None))


@dataclass
class Baked:
    model: Model
    adapter: Attached

    def steps(self, number: int, *, autocast: bool = False, rate: float = 0.02) -> list[float]:
        """Losses of some steps of plain descent on one batch, dropout and all."""
        found = []
        self.adapter.train(True)
        for step in range(number):
            torch.manual_seed(step)
            noisy, target = torch.randn(2, 1, 4, 8, 8)
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
                condition = self.model.assemble(self.model.encode_text(["a girl, sks"]), GEOMETRY)
                said = self.model.predict(noisy, torch.tensor([500.0]), condition=condition)
            loss = (said - target).square().mean()
            loss.backward()  # type: ignore[no-untyped-call]
            found.append(loss.item())
            with torch.no_grad():
                for parameter in self.parameters():
                    parameter -= rate * parameter.grad
                    parameter.grad = None
        self.adapter.train(False)
        return found

    def parameters(self) -> list[Any]:
        return [parameter for group in self.adapter.groups() for parameter in group.parameters]


def baked(
    model: Model, name: str, *, memory: MemoryConfig | None = None, text: str = "none", dtype: Any = "fp32"
) -> Baked:
    """An adapter with every kind of dropout on a copy of the model, and the plan put into effect."""
    own = copy.deepcopy(model)
    config = AdapterConfig(name=name, rank=4, alpha=4.0, conv_rank=4, dropout=0.1, text_targets=text)
    kind = ADAPTERS.load(name, field="adapter.name")
    sites = targeting.sites(own.parts, TINY, config, kinds=kind.kinds)
    asked = AdapterSettings(seed=1, rank_dropout=0.1, module_dropout=0.1, dtype=dtype)
    made = Baked(own, kind.attach(own, sites, settings=asked))
    if memory is not None:
        prepare(own, Config(memory=memory, adapter=config))
    return made


def kept(model: Model) -> list[nn.Module]:
    return [module for module in model.parts["unet"].modules() if stored.is_kept(module)]


@pytest.mark.parametrize("name", KINDS)
def test_offload_and_checkpointing_learn_the_same_to_the_bit(fresh: Model, name: str) -> None:
    plain = baked(fresh, name, text="attention")
    saving = baked(fresh, name, text="attention", memory=MemoryConfig(offload=0.5, checkpointing=True))
    assert 20 < len(kept(saving.model)) < 100
    assert saving.steps(2) == plain.steps(2)
    expected, found = plain.adapter.state(), saving.adapter.state()
    assert all(torch.equal(found[key], expected[key]) for key in expected)
    for one in (plain, saving):
        one.adapter.merge()
    first, second = (dict(one.model.parts["unet"].state_dict()) for one in (plain, saving))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_checkpointing_runs_blocks_again(fresh: Model) -> None:
    one = baked(fresh, "lora", memory=MemoryConfig(checkpointing=True), text="attention")
    counts = {part: [0] for part in one.model.parts}
    for part, count in counts.items():
        attention = next(
            m for m in one.model.parts[part].modules() if type(m).__name__ in {"Attention", "CLIPAttention"}
        )
        attention.register_forward_pre_hook(lambda module, given, count=count: count.__setitem__(0, count[0] + 1))
    one.steps(1)
    assert counts == {"unet": [2], "text_encoder": [2]}
    assert not any(m.training for m in one.model.parts["text_encoder"].modules() if isinstance(m, nn.Linear))


@pytest.mark.parametrize("autocast", [False, True])
def test_float8_learns_nearly_the_same(fresh: Model, autocast: bool) -> None:
    expected = baked(fresh, "lora").steps(3)
    one = baked(fresh, "lora", memory=MemoryConfig(weights="fp8", offload=0.3))
    assert all(layer.store.numbers.dtype == torch.float8_e4m3fn for layer in kept(one.model))  # type: ignore[union-attr]
    found = one.steps(3, autocast=autocast)
    # What float8 makes of this network moves its loss by less than 1 in 100.
    assert found == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("name", KINDS)
def test_float8_is_merged_into_what_the_network_says(fresh: Model, name: str) -> None:
    one = baked(fresh, name, memory=MemoryConfig(weights="fp8"))
    one.steps(1)
    noisy, times = torch.randn(1, 4, 8, 8), torch.tensor([300.0])
    condition = one.model.assemble(one.model.encode_text(["a"]), GEOMETRY)
    with torch.no_grad():
        before = one.model.predict(noisy, times, condition=condition)
        one.adapter.merge()
        after = one.model.predict(noisy, times, condition=condition)
    torch.testing.assert_close(after, before, rtol=0.0, atol=1e-4)


def test_bf16_weights_are_told_apart_and_answer_in_float32(fresh: Model) -> None:
    half = TINY.load(BaseSource(None, weights="bf16", text_weights="bf16"))
    assert half.vae_digest() == fresh.vae_digest()
    assert half.text_digest() != fresh.text_digest()
    assert half.digest() != fresh.digest()
    assert {p.dtype for network in half.parts.values() for p in network.parameters()} == {torch.bfloat16}
    said = []
    for model in (fresh, half):
        torch.manual_seed(4)
        with torch.no_grad():
            (text,) = model.encode_text(["1girl, solo"])
            condition = model.assemble([text], GEOMETRY)
            output = model.predict(
                torch.randn(1, 4, 8, 8), torch.tensor([700.0], dtype=torch.float64), condition=condition
            )
            pixels = model.decode(output)
            mean, deviation = model.encode_pixels(pixels)
        found = [text["states"], output, pixels, mean, deviation]
        assert {tensor.dtype for tensor in found} == {torch.float32}
        said.append(found)
    for one, other in zip(*said, strict=True):
        assert float((one - other).norm() / one.norm()) < 0.05


def test_a_full_finetune_of_bf16_weights_is_saved(tmp_path: Path) -> None:
    half = TINY.load(BaseSource(None, weights="bf16"))
    one = baked(half, "full")
    assert {parameter.dtype for parameter in one.parameters()} == {torch.bfloat16}
    one.steps(1)
    TINY.save(one.model, tmp_path / "made", SaveAs("diffusers", torch.bfloat16, {}, Prediction("epsilon")))
    again = TINY.load(BaseSource(read_header(tmp_path / "made"), weights="bf16"))
    expected, found = (model.parts["unet"].state_dict() for model in (one.model, again))
    assert all(torch.equal(found[key], expected[key]) for key in expected)


@pytest.mark.parametrize("name", KINDS)
def test_adapters_in_bf16(fresh: Model, name: str) -> None:
    one = baked(fresh, name, dtype="bf16")
    matrices = [p for group in one.adapter.groups() if group.role != "vector" for p in group.parameters]
    assert {parameter.dtype for parameter in matrices} == {torch.bfloat16}
    assert one.steps(1) == pytest.approx(baked(fresh, name).steps(1), rel=1e-3)


def test_channels_last_is_an_order_alone(fresh: Model) -> None:
    one = baked(fresh, "lora", memory=MemoryConfig(channels_last=True))
    weight = one.model.parts["unet"].get_submodule("down_blocks.0.resnets.0.conv1.base").get_parameter("weight")
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert all(tensor.is_contiguous() for tensor in one.adapter.state().values())
    assert one.steps(2) == pytest.approx(baked(fresh, "lora").steps(2), rel=1e-5)


@pytest.mark.parametrize(
    ("memory", "adapter", "told"),
    [
        (MemoryConfig(weights="fp8"), "full", "memory.weights"),
        (MemoryConfig(weights="fp8", compile=True), "lora", "memory.compile"),
        (MemoryConfig(offload=0.5, compile=True), "lora", "memory.compile"),
    ],
)
def test_what_cannot_be_is_refused(fresh: Model, memory: MemoryConfig, adapter: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        prepare(fresh, Config(memory=memory, adapter=AdapterConfig(name=adapter)))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler")
@pytest.mark.filterwarnings("default")
def test_compiled_blocks_learn_the_same(fresh: Model) -> None:
    one = baked(fresh, "lora", memory=MemoryConfig(compile=True))
    plain = baked(fresh, "lora")
    for each in (one, plain):
        each.adapter.train(False)
    noisy = [torch.randn(1, 4, 8, 8), torch.randn(1, 4, 12, 8)]
    condition = plain.model.assemble(plain.model.encode_text(["a girl"]), GEOMETRY)
    for given in noisy:
        gradients = []
        for each in (plain, one):
            said = each.model.predict(given, torch.tensor([500.0]), condition=condition)
            gradients.append([said, *torch.autograd.grad(said.square().mean(), each.parameters())])
        for found, expected in zip(*gradients, strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-5)


@dataclass
class Shelf:
    """A model as `using` sees it."""

    device: torch.device
    lies: dict[str, torch.device] = field(default_factory=lambda: dict.fromkeys(("unet", "vae"), torch.device("cpu")))
    moves: list[str] = field(default_factory=list)

    def place(self, part: str, device: torch.device) -> torch.device:
        before, self.lies[part] = self.lies[part], device
        self.moves += [f"{part} {device}"] if before != device else []
        return before


@contextmanager
def used(shelf: Any, *parts: str) -> Iterator[None]:
    with using(shelf, parts):
        yield


def test_networks_are_there_while_they_are_used() -> None:
    shelf = Shelf(torch.device("meta"))
    shelf.place("unet", torch.device("meta"))
    with used(shelf, "vae", "unet"):
        with used(shelf, "vae"):
            assert shelf.lies["vae"].type == "meta"
        assert shelf.lies["vae"].type == "meta", "still needed outside"
    assert shelf.moves == ["unet meta", "vae meta", "vae cpu"]
    still = Shelf(torch.device("cpu"))
    with used(still, "vae"):
        assert not still.moves
