"""The table of optimizers: each can be made, says the truth about itself, and refuses what it cannot do."""

from __future__ import annotations

import importlib.util
import inspect
from typing import Any

import pytest
import torch
from updater_material import TOTAL, copies, equal, groups_of, take, updater, weights

from trainer.errors import ConfigError, MissingExtraError
from trainer.run_sections import OptimizerConfig, ScheduleConfig
from trainer.updates import table
from trainer.updates.building import Recipe, sees_others
from trainer.updates.updater import Rounding, make

# bitsandbytes says so on a CPU; what it does there is what it does on a GPU.
pytestmark = pytest.mark.filterwarnings("ignore:Paged optimizers are not supported on CPU")
HAS_8BIT = importlib.util.find_spec("bitsandbytes") is not None


def needs(name: str) -> None:
    if table.NAMES[name].path.startswith("bitsandbytes") and not HAS_8BIT:
        pytest.skip("bitsandbytes is not installed")


def recipe(name: str, **arguments: Any) -> Recipe:
    return Recipe(OptimizerConfig(name=name, arguments=arguments), groups_of(weights(), name))


@pytest.mark.parametrize("name", table.NAMES)
def test_what_the_table_says_is_so(name: str) -> None:
    needs(name)
    known = table.NAMES[name]
    kind = table.resolve(name)
    assert issubclass(kind, torch.optim.Optimizer)
    assert known.defaults.keys() | set(known.fixed) <= inspect.signature(kind).parameters.keys()
    made = recipe(name)
    assert made.whole == known.whole == sees_others(made, torch.device("cpu"))
    optimizer = made.make(groups_of(weights(), name))
    assert known.defaults.items() <= optimizer.param_groups[0].items()
    assert [group["lr"] for group in optimizer.param_groups] == [group["lr"] for group in groups_of(weights(), name)]
    assert known.averages == hasattr(optimizer, "eval")


def test_rows_are_all_of_the_table() -> None:
    rows = table.rows()
    assert [row[0] for row in rows] == sorted(table.NAMES)
    assert all(about and rate > 0 for _, about, rate, _ in rows)
    assert {row[3] for row in rows} == {"", "pip install 'dsk[8bit]'"}


@pytest.mark.skipif(HAS_8BIT, reason="bitsandbytes is installed")
@pytest.mark.parametrize("name", ["adamw8bit", "paged_lion8bit"])
def test_says_how_to_install_what_is_missing(name: str) -> None:
    with pytest.raises(MissingExtraError, match="needs bitsandbytes") as caught:
        recipe(name)
    assert caught.value.hint == "pip install 'dsk[8bit]'"


@pytest.mark.parametrize("name", ["SOAP", "torch.optim.Adam", "pytorch_optimizer.StableAdamW"])
def test_any_class_goes_by_name_or_path(name: str) -> None:
    parameters = weights()
    before = copies(parameters)
    take(updater(parameters, name), parameters, range(3))
    assert not any(torch.equal(one, old) for one, old in zip(parameters, before, strict=True))


def test_a_class_of_the_table_is_what_the_table_says() -> None:
    assert table.known("Prodigy") == table.known("pytorch_optimizer.Prodigy") == table.NAMES["prodigy"]
    assert table.known("auto") == table.NAMES["adamw"]
    assert (table.rate("prodigy"), table.rate("auto"), table.rate("torch.optim.Adamax")) == (1.0, 1e-4, 2e-3)


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "misspelt": ("adamww", {}, "there is no 'adamww'", "did you mean 'adamw'?"),
    "class misspelt": ("torch.optim.Adamm", {}, "has no Adamm", "did you mean 'Adam'?"),
    "no module": ("torch.optimizers.Adam", {}, "no module torch.optimizers", "import path"),
    "no optimizer": ("torch.nn.Linear", {}, "no optimizer", "name a class"),
    "no class": ("torch.randn", {}, "no optimizer", "name a class"),
    "argument misspelt": ("adamw", {"beta": [0.9, 0.99]}, "has no argument 'beta'", "did you mean 'betas'?"),
    "peer's argument": ("prodigy", {"use_bias_correction": True}, "'use_bias_correction'", "'bias_correction'"),
    "swallowed argument": ("lion", {"momentum_decay": 1}, "has no argument 'momentum_decay'", ""),
    "rate": ("adamw", {"lr": 1e-3}, "lr is not set here", "optimizer.learning_rate"),
    "decay": ("adamw", {"weight_decay": 0.1}, "weight_decay is not set here", "optimizer.weight_decay"),
    "rate by itself": ("adafactor", {"relative_step": True}, "would overrule learning_rate", "leave it out"),
    "out of range": ("adamw", {"betas": [0.9, 2.0]}, "Invalid beta", "betas = (0.9, 2.0)"),
    "of another type": ("adamw", {"betas": 7}, "refuses them", "betas = 7"),
    "closure": ("torch.optim.LBFGS", {}, "closure", "second pass"),
    "closure within": ("AliG", {}, "closure", "second pass"),
    "second derivatives": ("AdaHessian", {}, "from gradients alone", "second pass"),
    "two passes": ("SAM", {}, "without base_optimizer", "optimizer.arguments"),
    "around another": ("Lookahead", {}, "put around", "itself"),
    "around a model": ("LOMO", {}, "put around", "itself"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refuses(case: str) -> None:
    name, arguments, message, hint = REFUSED[case]
    with pytest.raises(ConfigError) as caught:
        Recipe(OptimizerConfig(name=name, arguments=arguments), groups_of(weights())[:1]).make(groups_of(weights()))
    assert message in caught.value.message
    assert hint in caught.value.hint


def test_arguments_reach_the_optimizer() -> None:
    made = recipe("adamw", betas=[0.5, 0.75], eps=1e-3).make(groups_of(weights()))
    assert [(group["betas"], group["eps"]) for group in made.param_groups] == [((0.5, 0.75), 1e-3)] * 2
    slower = recipe("prodigy", d_coef=0.5, safeguard_warmup=False).make(groups_of(weights(), "prodigy"))
    group = slower.param_groups[0]
    assert (group["d_coef"], group["safeguard_warmup"], group["bias_correction"]) == (0.5, False, True)


@pytest.mark.parametrize("name", [name for name, known in table.NAMES.items() if known.whole])
def test_those_that_find_one_rate_refuse_several(name: str) -> None:
    groups = groups_of(weights(), name)
    groups[1]["lr"] = 0.5
    with pytest.raises(ConfigError, match="rates differ") as caught:
        Recipe(OptimizerConfig(name=name), groups)
    assert "text_encoder_rate" in caught.value.hint


@pytest.mark.parametrize("name", ["prodigy", "dadapt_adam", "Adai"])
def test_those_that_see_all_weights_refuse_a_fused_backward_pass(name: str) -> None:
    with pytest.raises(ConfigError, match="must see all gradients"):
        updater(weights(), name, fused=True)


def test_nothing_to_train_is_refused() -> None:
    with pytest.raises(ConfigError, match="nothing is trained"):
        make([], OptimizerConfig(), schedule=ScheduleConfig(), total=TOTAL, rounding=Rounding(False, 0))


def test_trying_an_optimizer_out_leaves_no_trace() -> None:
    parameters = weights()
    before = copies(parameters)
    torch.manual_seed(5)
    expected = torch.randn(3)
    torch.manual_seed(5)
    updater(parameters, "SOAP")
    assert torch.equal(torch.randn(3), expected)
    assert equal(parameters, before)
