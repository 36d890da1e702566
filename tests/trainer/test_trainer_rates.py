"""Optimizer groups: rates of parts, of rules and of LoRA+; decay; a fixed order."""

from __future__ import annotations

from typing import Any

import torch
from adapter_material import attach, toy

from trainer.contracts.adapter import Group, Role
from trainer.rates import parameter_groups
from trainer.registry import ADAPTERS
from trainer.run_sections import OptimizerConfig
from trainer.sections import AdapterConfig, RuleConfig


def own_name(part: str, path: str) -> str:
    return path.replace("down.", "input.")


def group(path: str, role: Role = "weight") -> Group:
    return Group(path, role, [torch.nn.Parameter(torch.zeros(1))])


UNET, INPUT = group("unet.mid"), group("unet.down.0")
FIRST, SECOND = group("text_encoder.x"), group("text_encoder_2.x")
DOWN, UP = group("unet.a", "down"), group("unet.a", "up")


def rates(*groups: Group, rules: tuple[RuleConfig, ...] = (), **optimizer: Any) -> dict[int, tuple[float, float]]:
    """(rate, decay) by parameter."""
    given = OptimizerConfig(**{"learning_rate": 1e-3, "weight_decay": 0.1, **optimizer})
    made = parameter_groups(groups, AdapterConfig(rules=rules), given, own_name)
    pairs = [(id(p), (one["lr"], one["weight_decay"])) for one in made for p in one["params"]]
    assert len(pairs) == len(dict(pairs))
    return dict(pairs)


def rate(one: Group, *groups: Group, **given: Any) -> float:
    return rates(*(groups or (one,)), **given)[id(one.parameters[0])][0]


def test_parts_have_their_rates() -> None:
    assert [rate(one) for one in (UNET, FIRST, SECOND)] == [1e-3, 1e-3, 1e-3]
    assert [rate(one, text_encoder_rate=1e-5) for one in (UNET, FIRST, SECOND)] == [1e-3, 1e-5, 1e-5]
    both = {"text_encoder_rate": 1e-5, "text_encoder_2_rate": 1e-6}
    assert [rate(one, **both) for one in (UNET, FIRST, SECOND)] == [1e-3, 1e-5, 1e-6]
    assert rate(FIRST, text_encoder_2_rate=1e-6) == 1e-3


def test_rules_replace_a_rate_by_either_name() -> None:
    for pattern in (r"unet\.down\..*", r"unet\.input\..*"):
        rules = (RuleConfig(pattern, learning_rate=5e-4), RuleConfig(".*", rank=3))
        assert rate(INPUT, UNET, INPUT, rules=rules) == 5e-4
        assert rate(UNET, UNET, INPUT, rules=rules) == 1e-3
    last = (RuleConfig(".*", learning_rate=1e-4), RuleConfig(r".*mid", learning_rate=1e-5))
    assert rate(UNET, UNET, INPUT, rules=last) == 1e-5


def test_lora_plus_is_for_what_starts_at_zero() -> None:
    assert rate(UP, DOWN, UP, lora_plus=16.0) == 16e-3
    assert rate(DOWN, DOWN, UP, lora_plus=16.0) == 1e-3
    assert rate(UP, DOWN, UP) == 1e-3
    rules = (RuleConfig(r"unet\.a", learning_rate=1e-5),)
    assert rate(UP, DOWN, UP, rules=rules, lora_plus=4.0) == 4e-5


def test_everything_decays_but_vectors() -> None:
    vector = group("text_encoder.table", "vector")
    found = rates(UNET, DOWN, UP, vector)
    assert [found[id(one.parameters[0])][1] for one in (UNET, DOWN, UP, vector)] == [0.1, 0.1, 0.1, 0.0]


def test_what_has_no_rate_is_left_out() -> None:
    assert rates(UNET, rules=(RuleConfig(".*mid", learning_rate=0.0),)) == {}


def test_equal_numbers_of_a_part_are_one_group_in_a_fixed_order() -> None:
    rules = (RuleConfig(r"unet\.down\.0", learning_rate=5e-4),)
    given = [group("unet.x"), INPUT, FIRST, DOWN, group("unet.down.0"), UP]
    made = parameter_groups(given, AdapterConfig(rules=rules), OptimizerConfig(learning_rate=1e-3), own_name)
    assert [(one["name"], one["lr"], len(one["params"])) for one in made] == [
        ("unet", 1e-3, 3),
        ("unet", 5e-4, 2),
        ("text_encoder", 1e-3, 1),
    ]
    assert [id(p) for p in made[0]["params"]] == [id(one.parameters[0]) for one in (given[0], DOWN, UP)]


def test_torch_takes_them() -> None:
    """An adapter's own groups, one step: B moves sixteen times as far as without LoRA+."""
    moved = {}
    for plus in (0.0, 16.0):
        model = toy()
        hung = attach(ADAPTERS.load("lora", field=""), model)
        optimizer = OptimizerConfig(learning_rate=1e-3, lora_plus=plus)
        made = torch.optim.AdamW(parameter_groups(hung.groups(), AdapterConfig(), optimizer, own_name))
        model.paint().square().sum().backward()
        made.step()
        moved[plus] = hung.state()["unet.mix.lora_up.weight"].abs().max()
    torch.testing.assert_close(moved[16.0], 16 * moved[0.0])
