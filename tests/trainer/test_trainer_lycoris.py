"""LoHa, LoKr, DoRA and OFT against their papers' formulas in float64, and against LyCORIS itself."""

from __future__ import annotations

import copy
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
import torch
from torch import nn

from trainer.contracts.adapter import AdapterSettings, Attached, Site
from trainer.errors import ConfigError, LoraFileError
from trainer.registry import ADAPTERS

KINDS = ("loha", "lokr", "dora", "oft")
LINEAR, CONV, NARROW = "unet.block.proj", "unet.block.conv", "unet.block.narrow"
X, Y = torch.linspace(-1, 1, 3 * 48).reshape(3, 48), torch.linspace(-2, 1, 2 * 16 * 81).reshape(2, 16, 9, 9)
WAYS: dict[str, dict[str, Any]] = {
    "plain": {},
    "rank_stabilized": {"rank_stabilized": True},
    "tucker": {"tucker": True},
    "factor": {"factor": 4},
    "full_matrix": {"full_matrix": True},
    "constraint": {"constraint": 0.01},
}


class Block(nn.Module):
    """A linear layer, a strided convolution, and a layer without bias."""

    def __init__(self) -> None:
        super().__init__()
        self.proj = nn.Linear(48, 64)
        self.conv = nn.Conv2d(16, 24, 3, stride=2, padding=1)
        self.narrow = nn.Linear(48, 6, bias=False)
        self.norm = nn.LayerNorm(48)

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return self.proj(x), self.conv(y), self.narrow(x)


@dataclass
class Toy:
    """As much of a model as adapters see."""

    parts: Mapping[str, nn.Module]
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    def __call__(self) -> tuple[torch.Tensor, ...]:
        return self.parts["unet"].get_submodule("block")(X, Y)


def toy() -> Toy:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        root = nn.Module()
        root.block = Block()
    return Toy({"unet": root.requires_grad_(False)})


def sites(rank: int = 3, dropout: float = 0.0) -> list[Site]:
    return [Site(LINEAR, rank, 1.5, dropout), Site(CONV, 2, 1.0, dropout), Site(NARROW, 2, 3.0, dropout)]


def attached(name: str, model: Toy, *, rank: int = 3, dropout: float = 0.0, **settings: Any) -> Attached:
    settings = {"seed": 1, **settings}
    adapter = ADAPTERS.load(name, field="adapter.name")
    return adapter.attach(model, sites(rank, dropout), settings=AdapterSettings(**settings))  # type: ignore[arg-type]


def filled(hung: Attached) -> dict[str, torch.Tensor]:
    """Gives every tensor values of its own, and returns the state."""
    generator = torch.Generator().manual_seed(5)
    noise = {name: 0.3 * torch.randn(value.shape, generator=generator) for name, value in hung.state().items()}
    hung.load({name: value + noise[name] if value.dim() else value for name, value in hung.state().items()})
    return hung.state()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", KINDS)
def test_the_start_changes_no_bit_and_merged_equals_wrapped(name: str, way: str) -> None:
    model = toy()
    before, base = model(), copy.deepcopy(model.parts["unet"].state_dict())
    hung = attached(name, model, **WAYS[way])
    assert all(torch.equal(one, two) for one, two in zip(model(), before, strict=True))
    filled(hung)
    wrapped = model()
    assert all((one - two).abs().max() > 1e-3 for one, two in zip(wrapped, before, strict=True))
    hung.enable(False)
    assert all(torch.equal(one, two) for one, two in zip(model(), before, strict=True))
    assert all(torch.equal(base[key], value) for key, value in model.parts["unet"].state_dict().items())
    hung.enable(True)
    hung.merge()
    assert not any("forward" in vars(module) for module in model.parts["unet"].modules())
    for one, two in zip(model(), wrapped, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-5)


def weights(name: str, path: str, **settings: Any) -> tuple[torch.Tensor, torch.Tensor, dict[str, torch.Tensor]]:
    """W, W merged, and the tensors by suffix, float64."""
    model = toy()
    module = model.parts["unet"].get_submodule(path.removeprefix("unet."))
    base = module.weight.detach().clone().double()
    hung = attached(name, model, **settings)
    state = filled(hung)
    own = {key.removeprefix(f"{path}."): value.double().clone() for key, value in state.items() if key.startswith(path)}
    hung.merge()
    return base, module.weight.double(), own


@pytest.mark.parametrize(("path", "scale"), [(LINEAR, 1.5 / 3), (CONV, 1.0 / 2)])
def test_loha_is_the_product_entry_by_entry(path: str, scale: float) -> None:
    base, merged, own = weights("loha", path)
    product = (own["hada_w1_a"] @ own["hada_w1_b"]) * (own["hada_w2_a"] @ own["hada_w2_b"])
    torch.testing.assert_close(merged, base + scale * product.reshape(base.shape), rtol=1e-6, atol=1e-6)


def test_loha_of_a_convolution_in_three_factors() -> None:
    base, merged, own = weights("loha", CONV, tucker=True)
    one, two = (
        torch.einsum("abhw,ao,bi->oihw", own[f"hada_t{n}"], own[f"hada_w{n}_a"], own[f"hada_w{n}_b"]) for n in (1, 2)
    )
    torch.testing.assert_close(merged, base + 0.5 * one * two, rtol=1e-6, atol=1e-6)


def test_lokr_is_kroneckers_product() -> None:
    base, merged, own = weights("lokr", LINEAR)
    assert own["lokr_w1"].shape == (8, 6)
    product = torch.kron(own["lokr_w1"], own["lokr_w2_a"] @ own["lokr_w2_b"])
    torch.testing.assert_close(merged, base + 0.5 * product, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("stabilized", [False, True])
def test_lokr_with_a_whole_matrix_has_scale_one(stabilized: bool) -> None:
    base, merged, own = weights("lokr", LINEAR, full_matrix=True, rank_stabilized=stabilized)
    torch.testing.assert_close(merged, base + torch.kron(own["lokr_w1"], own["lokr_w2"]), rtol=1e-6, atol=1e-6)


def test_lokr_of_a_convolution() -> None:
    base, merged, own = weights("lokr", CONV, rank=3, factor=2)
    large = (own["lokr_w2_a"] @ own["lokr_w2_b"]).reshape(12, 8, 3, 3)
    product = torch.einsum("ab,cdhw->acbdhw", own["lokr_w1"], large).reshape(base.shape)
    torch.testing.assert_close(merged, base + 0.5 * product, rtol=1e-6, atol=1e-6)


def test_lokr_of_a_convolution_in_three_factors() -> None:
    base, merged, own = weights("lokr", CONV, factor=2, tucker=True)
    large = torch.einsum("abhw,ao,bi->oihw", own["lokr_t2"], own["lokr_w2_a"], own["lokr_w2_b"])
    product = torch.einsum("ab,cdhw->acbdhw", own["lokr_w1"], large).reshape(base.shape)
    torch.testing.assert_close(merged, base + 0.5 * product, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("path", "scale"), [(LINEAR, 1.5 / 3), (CONV, 1.0 / 2)])
def test_dora_is_length_times_direction(path: str, scale: float) -> None:
    base, merged, own = weights("dora", path)
    flat = base.flatten(1) + scale * own["lora_up.weight"].flatten(1) @ own["lora_down.weight"].flatten(1)
    length = flat.square().sum(1, keepdim=True).sqrt()
    expected = (own["dora_scale"].flatten(1) * flat / length).reshape(base.shape)
    torch.testing.assert_close(merged, expected, rtol=1e-5, atol=1e-6)


def test_doras_lengths_start_as_the_weights_own_even_where_they_are_none() -> None:
    model = toy()
    model.parts["unet"].get_submodule("block.proj").weight[3].zero_()
    before = model()
    lengths = attached("dora", model).state()[f"{LINEAR}.dora_scale"]
    assert lengths.shape == (64, 1)
    assert torch.equal(model()[0], before[0])


def cayley(blocks: torch.Tensor) -> torch.Tensor:
    skew = blocks - blocks.T
    eye = torch.eye(len(blocks), dtype=blocks.dtype)
    return (eye + skew) @ torch.linalg.inv(eye - skew)


@pytest.mark.parametrize("path", [LINEAR, CONV])
def test_oft_turns_the_outputs_block_by_block(path: str) -> None:
    base, merged, own = weights("oft", path, rank=4)
    turned = torch.block_diag(*(cayley(block).T for block in own["oft_blocks"]))
    torch.testing.assert_close(turned @ turned.T, torch.eye(len(turned), dtype=torch.float64))
    torch.testing.assert_close(merged.flatten(1), turned @ base.flatten(1), rtol=1e-5, atol=1e-5)


def test_ofts_constraint_bounds_the_rotation_and_the_file_needs_none() -> None:
    _, _, own = weights("oft", LINEAR, rank=4, constraint=0.01)
    skew = own["oft_blocks"] - own["oft_blocks"].transpose(1, 2)
    assert skew.norm() == pytest.approx(0.01 * 64, rel=1e-5)
    assert own["alpha"] == 0


def test_a_step_out_of_ofts_bound_is_taken_back_before_it_is_seen() -> None:
    model = toy()
    hung = attached("oft", model, constraint=0.01)
    filled(hung)
    inside = model()[0]
    for group in hung.groups():
        for parameter in group.parameters:
            parameter.data *= 5
    torch.testing.assert_close(model()[0], inside, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("stabilized", [False, True])
@pytest.mark.parametrize("name", ["loha", "lokr", "dora"])
def test_alpha_over_rank_is_the_scale_a_reader_takes(name: str, stabilized: bool) -> None:
    state = attached(name, toy(), rank_stabilized=stabilized).state()
    expected = 1.5 * 3**0.5 if stabilized else 1.5
    assert float(state[f"{LINEAR}.alpha"]) == pytest.approx(expected)


def by_lycoris(state: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, ...]:
    """The outputs that LyCORIS makes of the file."""
    from lycoris import create_lycoris_from_weights

    model = toy()
    file = {}
    for name, value in state.items():
        path, suffix = next((path, name[len(path) + 1 :]) for path in (LINEAR, CONV, NARROW) if name.startswith(path))
        file[f"lycoris_{path.removeprefix('unet.').replace('.', '_')}.{suffix}"] = value.clone()
    network, _ = create_lycoris_from_weights(1.0, "", model.parts["unet"], file)
    assert len(network.loras) == 3
    network.apply_to()
    return model()


# Its own loader takes the rank of LoKr's three factors from the wrong axis, and fails.
LOADABLE = [(name, way) for name in KINDS for way in WAYS if (name, way) != ("lokr", "tucker")]


@pytest.mark.parametrize(("name", "way"), LOADABLE)
def test_lycoris_makes_the_same_of_the_file(name: str, way: str) -> None:
    model = toy()
    state = filled(attached(name, model, **WAYS[way]))
    for one, two in zip(by_lycoris(state), model(), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_lycoris_own_module_makes_the_same_of_lokrs_three_factors() -> None:
    from lycoris import LokrModule

    model = toy()
    state = filled(attached("lokr", model, tucker=True, factor=2))
    conv = toy().parts["unet"].get_submodule("block.conv")
    theirs = LokrModule("", conv, lora_dim=2, alpha=1.0, use_tucker=True, factor=2)
    theirs.load_state_dict({name.removeprefix(f"{CONV}."): state[name] for name in state if name.startswith(CONV)})
    assert "lokr_t2" in theirs.custom_state_dict()
    torch.testing.assert_close(theirs(Y), model()[1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", KINDS)
def test_the_tensors_tell_the_size_and_the_state_comes_back(name: str, way: str) -> None:
    one, two = toy(), toy()
    first = attached(name, one, **WAYS[way])
    state = {key: value.clone() for key, value in filled(first).items()}
    adapter = ADAPTERS.load(name, field="adapter.name")
    assert adapter.size_of is not None
    told = []
    for site in sites():
        own = {key.removeprefix(f"{site.path}."): value for key, value in state.items() if key.startswith(site.path)}
        size = adapter.size_of(own)
        assert size is not None
        told.append(Site(site.path, *size))
        assert adapter.size_of({}) is None
    second = adapter.attach(two, told, settings=AdapterSettings(seed=9, **WAYS[way]))  # type: ignore[arg-type]
    assert second.state().keys() == state.keys()
    second.load(state)
    assert all(torch.equal(a, b) for a, b in zip(one(), two(), strict=True))
    assert all(torch.equal(state[key], value) for key, value in second.state().items())


@pytest.mark.parametrize("name", KINDS)
def test_the_groups_hold_every_parameter_once_and_gradients_reach_them(name: str) -> None:
    model = toy()
    hung = attached(name, model)
    filled(hung)
    sum(out.square().sum() for out in model()).backward()  # type: ignore[union-attr]
    parameters = [parameter for group in hung.groups() for parameter in group.parameters]
    assert len({id(parameter) for parameter in parameters}) == len(parameters) == len(hung.state()) - 3
    assert all(parameter.dtype == torch.float32 and parameter.grad.abs().max() > 0 for parameter in parameters)
    zero_at_first = [group for group in attached(name, toy()).groups() if group.role in ("up", "weight")]
    assert len(zero_at_first) == 3
    assert all(not parameter.any() for group in zero_at_first for parameter in group.parameters)


@pytest.mark.parametrize("name", KINDS)
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    model = toy()
    hung = attached(name, model)
    filled(hung)
    parameter = next(group.parameters[0] for group in hung.groups() if group.role in ("up", "weight"))
    model()[0].square().sum().backward()
    slope = float(parameter.grad.flatten()[1])
    flat = parameter.data.view(-1)
    values = []
    for step in (1e-2, -1e-2):
        flat[1] += step
        values.append(float(model()[0].detach().double().square().sum()))
        flat[1] -= step
    assert slope == pytest.approx((values[0] - values[1]) / 2e-2, rel=2e-2, abs=1e-3)


@pytest.mark.parametrize("name", KINDS)
def test_the_seed_and_the_path_alone_decide_the_start_and_nothing_else_moves(name: str) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    logger = logging.getLogger("LyCORIS")
    kept = (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
    one = attached(name, toy()).state()
    assert torch.equal(before, torch.get_rng_state())
    assert kept == (list(logger.handlers), logger.level, logger.propagate, logger.disabled)
    torch.manual_seed(4)
    two, other = attached(name, toy()).state(), attached(name, toy(), seed=2).state()
    assert all(torch.equal(one[key], two[key]) for key in one)
    if name != "oft":
        assert any(not torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", KINDS)
def test_nothing_is_written_to_stdout(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    attached(name, toy(), rank=64, dropout=0.5)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("which", ["dropout", "rank_dropout", "module_dropout"])
def test_dropouts_act_in_training_alone_and_keep_the_mean(name: str, which: str) -> None:
    model = toy()
    before = model()[0]
    hung = attached(name, model, **{which: 0.5})
    small = {key: 0.1 * value if value.dim() else value for key, value in filled(hung).items()}
    hung.load(small if name != "dora" else hung.state())
    still = model()[0]
    assert torch.equal(model()[0], still)
    hung.train(True)
    torch.manual_seed(0)
    draws = torch.stack([model()[0] for _ in range(400)])
    assert len({tuple(draw.flatten().tolist()) for draw in draws[:20]}) > 1
    mean = before + 0.5 * (still - before) if which == "module_dropout" else still
    if (name, which) not in (("dora", "rank_dropout"), ("oft", "rank_dropout")):  # these are not linear in the ranks
        spread = draws.std(0) / 400**0.5
        assert ((draws.mean(0) - mean).abs() <= 5 * spread + 1e-5).all()
    hung.train(False)
    assert torch.equal(model()[0], still)


@pytest.mark.parametrize("name", KINDS)
def test_everything_dropped_leaves_the_base(name: str) -> None:
    model = toy()
    before = model()
    with pytest.raises(ConfigError, match="module_dropout is 1"):
        attached(name, toy(), module_dropout=1.0)
    hung = attached(name, model, module_dropout=1 - 1e-9)
    filled(hung)
    hung.train(True)
    assert all(torch.equal(one, two) for one, two in zip(model(), before, strict=True))
    sum(out.sum() for out in model()).backward()
    gradients = [parameter.grad for group in hung.groups() for parameter in group.parameters]
    assert all(gradient is not None and not gradient.any() for gradient in gradients)


def test_what_does_not_fit_is_refused() -> None:
    for name in KINDS:
        small, large = attached(name, toy(), rank=2, factor=2), attached(name, toy(), rank=8, factor=8)
        with pytest.raises(LoraFileError, match=r"expected|no place"):
            large.load(small.state())
        with pytest.raises(LoraFileError, match="lacks"):
            large.load({})
        norm = [Site("unet.block.norm", 2, 2.0)]
        with pytest.raises(ConfigError, match=r"unet\.block\.norm is a LayerNorm"):
            ADAPTERS.load(name, field="").attach(toy(), norm, settings=AdapterSettings(0))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", KINDS)
def test_bf16_arithmetic_keeps_the_change_exact(name: str) -> None:
    model = toy()
    hung = attached(name, model)
    filled(hung)
    exact = model()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model()
    for one, two in zip(rough, exact, strict=True):
        torch.testing.assert_close(one.float(), two, rtol=0.03, atol=0.06)
