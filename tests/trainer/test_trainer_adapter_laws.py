"""What every adapter owes: nothing at the start, merged equals wrapped, its state comes back, all of it learns."""

from __future__ import annotations

import pytest
import torch
from adapter_material import Toy, attach, sites, toy, train_a_little

from trainer.contracts.adapter import Adapter, Attached
from trainer.errors import ConfigError, LoraFileError, StateError
from trainer.registry import ADAPTERS

PLAIN = "a blue hat"
HALVES = (torch.bfloat16, torch.float16)
MODULES = {
    "Linear": "unet.blocks.1.to_out.0",
    "Linear without bias": "unet.blocks.0.to_k",
    "Conv2d 3x3": "unet.conv_in",
    "Conv2d 3x3 stride 2": "unet.shrink",
    "Conv2d 1x1": "unet.mix",
}
WAYS = {
    "plain": {},
    "tucker": {"tucker": True},
    "rank_stabilized": {"rank_stabilized": True},
    "full_matrix": {"full_matrix": True},
    "constraint": {"constraint": 0.01},
}


@pytest.fixture(params=ADAPTERS.names())
def adapter(request: pytest.FixtureRequest) -> Adapter:
    return ADAPTERS.load(request.param, field="adapter.name")


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> dict[str, object]:
    return WAYS[request.param]


def prompt_of(adapter: Adapter) -> str:
    """One in which the adapter has a say: a word is a word's only place."""
    return "a sks" if adapter.product == "embedding" else PLAIN


def trained(adapter: Adapter, **settings: object) -> tuple[Toy, Attached]:
    model = toy()
    hung = attach(adapter, model, **settings)
    train_a_little(model, hung, prompt=prompt_of(adapter))
    return model, hung


def num_far(one: torch.Tensor, two: torch.Tensor) -> float:
    return float((one - two).detach().abs().max())


def test_a_fresh_adapter_changes_no_bit(adapter: Adapter, way: dict[str, object]) -> None:
    expected = toy().paint(PLAIN)
    model = toy()
    attach(adapter, model, **way)
    assert torch.equal(model.paint(PLAIN), expected)
    # A word starts as the two tokens of its init_text.
    assert torch.equal(model.paint(prompt_of(adapter)), expected)


def test_training_changes_what_is_said_and_every_parameter(adapter: Adapter, way: dict[str, object]) -> None:
    fresh = attach(adapter, toy(), **way).state()
    model, hung = trained(adapter, **way)
    prompt = prompt_of(adapter)
    assert num_far(model.paint(prompt), toy().paint(PLAIN)) > 0.01
    same = [name for name, tensor in hung.state().items() if tensor.dim() and torch.equal(tensor, fresh[name])]
    assert same == []


def test_gradients_reach_every_parameter(adapter: Adapter) -> None:
    model, hung = trained(adapter)
    model.paint(prompt_of(adapter)).square().sum().backward()
    parameters = [(group, parameter) for group in hung.groups() for parameter in group.parameters]
    assert parameters
    assert [group.path for group, p in parameters if p.grad is None or not p.grad.abs().sum() > 0] == []
    mine = {id(parameter) for _, parameter in parameters}
    others = [p for part in model.parts.values() for p in part.parameters() if id(p) not in mine]
    assert [p for p in others if p.requires_grad or p.grad is not None] == []


def test_merged_is_wrapped(adapter: Adapter, way: dict[str, object]) -> None:
    model, hung = trained(adapter, **way)
    with torch.no_grad():
        wrapped = model.paint(prompt_of(adapter))
        hung.merge()
        torch.testing.assert_close(model.paint(prompt_of(adapter)), wrapped, rtol=1e-5, atol=1e-5)
    plain = {name for name, _ in toy().parts["unet"].named_modules()}
    assert {name for name, _ in model.parts["unet"].named_modules()} == plain
    assert set(model.parts["unet"].state_dict()) == set(toy().parts["unet"].state_dict())


@pytest.mark.parametrize("kind", MODULES)
def test_merged_is_wrapped_on_each_kind_of_module(adapter: Adapter, way: dict[str, object], kind: str) -> None:
    if adapter.product == "embedding":
        assert sites(toy(), adapter)[0].path == "text_encoder.embeddings.token"  # the only kind it knows
        return
    model = toy()
    chosen = [site for site in sites(model, adapter) if site.path == MODULES[kind]]
    hung = attach(adapter, model, chosen, **way)
    train_a_little(model, hung, prompt=PLAIN)
    with torch.no_grad():
        wrapped = model.paint()
        hung.merge()
        assert num_far(wrapped, toy().paint()) > 1e-3
        torch.testing.assert_close(model.paint(), wrapped, rtol=1e-5, atol=1e-5)


def test_switched_off_it_is_the_base(adapter: Adapter, way: dict[str, object]) -> None:
    model, hung = trained(adapter, **way)
    prompt = prompt_of(adapter)
    said = model.paint(prompt)
    if not adapter.reversible:
        with pytest.raises(StateError):
            hung.enable(False)
        hung.enable(True)
    else:
        hung.enable(False)
        assert torch.equal(model.paint(prompt), toy().paint(PLAIN))
        hung.enable(True)
    assert torch.equal(model.paint(prompt), said)


def test_state_comes_back(adapter: Adapter, way: dict[str, object]) -> None:
    model, hung = trained(adapter, **way)
    other = toy()
    again = attach(adapter, other, **{"seed": 2, **way})
    again.load({name: tensor.clone() for name, tensor in hung.state().items()})
    assert torch.equal(other.paint(prompt_of(adapter)), model.paint(prompt_of(adapter)))
    assert list(again.state()) == list(hung.state())
    assert all(torch.equal(tensor, hung.state()[name]) for name, tensor in again.state().items())


def test_state_is_named_by_place_and_detached(adapter: Adapter) -> None:
    model = toy()
    paths = {group.path for group in attach(adapter, model).groups()}
    assert paths <= {f"{part}.{name}" for part, root in toy().parts.items() for name, _ in root.named_modules()}
    hung = attach(adapter, toy())
    for name, tensor in hung.state().items():
        assert any(name.startswith(f"{path}.") for path in paths)
        assert not tensor.requires_grad


def test_a_state_that_does_not_fit_is_refused(adapter: Adapter) -> None:
    hung = attach(adapter, toy())
    state = hung.state()
    with pytest.raises(LoraFileError, match="lacks"):
        hung.load({})
    with pytest.raises(LoraFileError, match="no place"):
        hung.load({**state, "unet.x.alpha": torch.tensor(1.0)})
    name = next(name for name, tensor in state.items() if tensor.dim())
    with pytest.raises(LoraFileError, match="expected"):
        hung.load({**state, name: torch.zeros(3, 1, 7)})


def test_the_seed_and_the_place_decide_the_start(adapter: Adapter) -> None:
    model = toy()
    backwards = attach(adapter, model, sites(model, adapter)[::-1]).state()
    torch.manual_seed(99)
    state = attach(adapter, toy()).state()
    assert set(backwards) == set(state)
    assert all(torch.equal(tensor, backwards[name]) for name, tensor in state.items())


def test_attaching_leaves_torchs_own_generator_alone(adapter: Adapter) -> None:
    model = toy()
    before = torch.get_rng_state()
    attach(adapter, model)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("dropped", [{"dropout": 0.5}, {"rank_dropout": 0.5}, {"module_dropout": 0.5}])
def test_dropout_is_off_at_first_and_follows_torchs_generator(adapter: Adapter, dropped: dict[str, float]) -> None:
    model, hung = trained(adapter, **dropped)
    prompt = prompt_of(adapter)
    calm = model.paint(prompt)
    assert torch.equal(model.paint(prompt), calm)
    hung.train(True)
    torch.manual_seed(3)
    one = model.paint(prompt)
    torch.manual_seed(3)
    assert torch.equal(model.paint(prompt), one)
    # What trains the base's own weights, or a word, has nothing to drop.
    assert torch.equal(one, calm) == (adapter.product != "lora")
    hung.train(False)
    assert torch.equal(model.paint(prompt), calm)


@pytest.mark.parametrize("dtype", HALVES)
def test_bases_in_half_precision(adapter: Adapter, dtype: torch.dtype) -> None:
    model = toy(dtype)
    expected = model.paint(PLAIN)
    if adapter.product == "checkpoint":
        if dtype != torch.bfloat16:
            with pytest.raises(ConfigError, match="float32 or bf16"):
                attach(adapter, model)
        return
    hung = attach(adapter, model)
    prompt = prompt_of(adapter)
    assert torch.equal(model.paint(prompt), expected)
    assert all(p.dtype == torch.float32 for group in hung.groups() for p in group.parameters)
    train_a_little(model, hung, prompt=prompt)
    with torch.no_grad():
        wrapped = model.paint(prompt)
        assert wrapped.dtype == dtype
        assert bool(wrapped.isfinite().all())
        hung.merge()
        merged = model.paint(prompt)
    assert merged.dtype == dtype
    few = 8 * torch.finfo(dtype).eps * float(wrapped.abs().max())
    torch.testing.assert_close(merged, wrapped, rtol=0.0, atol=few)


def test_autocast_trains_it_in_bf16(adapter: Adapter) -> None:
    model = toy()
    hung = attach(adapter, model)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        train_a_little(model, hung, prompt=prompt_of(adapter))
    assert all(tensor.dtype == torch.float32 and bool(tensor.isfinite().all()) for tensor in hung.state().values())


def test_autocast_leaves_the_output_and_the_gradients_near(adapter: Adapter) -> None:
    model, hung = trained(adapter)
    parameters = [parameter for group in hung.groups() for parameter in group.parameters]
    seen, found = [], []
    for enabled in (False, True):
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
            painted = model.paint(prompt_of(adapter))
        grads = torch.autograd.grad(painted.float().sub(0.5).square().sum(), parameters)
        found.append(torch.cat([grad.flatten() for grad in grads]))
        seen.append(painted.dtype)
    assert seen == [torch.float32, torch.bfloat16]
    assert float(torch.nn.functional.cosine_similarity(*found, dim=0)) > 0.999
    assert float(found[1].norm() / found[0].norm()) == pytest.approx(1.0, abs=0.02)


@pytest.mark.parametrize("rank", [1, 500])
def test_a_rank_above_the_modules_own_is_no_matter(adapter: Adapter, rank: int) -> None:
    model, expected = toy(), toy().paint(PLAIN)
    hung = attach(adapter, model, sites(model, adapter, rank=rank))
    assert torch.equal(model.paint(PLAIN), expected)
    train_a_little(model, hung, prompt=prompt_of(adapter), rate=0.005)
    wrapped = model.paint(prompt_of(adapter))
    hung.merge()
    merged = model.paint(prompt_of(adapter))
    assert num_far(merged, wrapped) < 1e-4 * float(wrapped.detach().abs().max())
