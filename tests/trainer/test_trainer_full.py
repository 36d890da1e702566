"""A full finetune trains the base's own weights: exactly those chosen, and they are the product."""

from __future__ import annotations

import pytest
import torch
from adapter_material import Toy, attach, sites, toy, train_a_little
from torch import nn

from trainer.contracts.adapter import Site
from trainer.registry import ADAPTERS

FULL = ADAPTERS.load("full", field="adapter.name")
CHOSEN = ("unet.norm", "unet.blocks.0.to_q", "unet.conv_in")


def test_exactly_the_chosen_weights_learn_and_are_the_state() -> None:
    model, before = toy(), toy()
    hung = attach(FULL, model, [Site(path, 1, 1.0) for path in CHOSEN])
    expected = {
        "unet.norm.weight",
        "unet.norm.bias",
        "unet.blocks.0.to_q.weight",
        "unet.conv_in.weight",
        "unet.conv_in.bias",
    }
    assert set(hung.state()) == expected
    train_a_little(model, hung, prompt="a hat")
    for part, root in model.parts.items():
        for name, weight in root.named_parameters():
            same = torch.equal(weight, before.parts[part].get_parameter(name))
            assert same == (f"{part}.{name}" not in expected)
            assert weight.requires_grad == (f"{part}.{name}" in expected)


def test_everything_is_every_weight() -> None:
    model = toy()
    names = {f"{part}.{name}" for part, root in model.parts.items() for name, _ in root.named_parameters()}
    assert set(attach(FULL, model, sites(model, FULL)).state()) == names


def test_the_state_is_the_weights_themselves() -> None:
    model = toy()
    hung = attach(FULL, model, [Site("unet.mix", 1, 1.0)])
    hung.load({"unet.mix.weight": torch.ones(32, 32, 1, 1), "unet.mix.bias": torch.zeros(32)})
    assert bool((model.parts["unet"].get_parameter("mix.weight") == 1).all())


def test_merged_the_weights_are_frozen_again() -> None:
    model = toy()
    hung = attach(FULL, model)
    hung.merge()
    assert not any(p.requires_grad for root in model.parts.values() for p in root.parameters())


def test_a_weight_that_two_modules_share_is_trained_once() -> None:
    net = nn.ModuleDict({"a": nn.Linear(4, 4), "b": nn.Linear(4, 4)})
    net["b"].weight = net["a"].weight
    model = Toy({"unet": net})
    parameters = [
        p for g in attach(FULL, model, [Site("unet.a", 1, 1.0), Site("unet.b", 1, 1.0)]).groups() for p in g.parameters
    ]
    assert len(parameters) == len({id(p) for p in parameters}) == 3
    with pytest.raises(Exception, match="float32"):
        attach(FULL, Toy({"unet": net.half()}), [Site("unet.a", 1, 1.0)])
