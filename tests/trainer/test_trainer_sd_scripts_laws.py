"""Whatever of sd-scripts' options is asked for becomes a run that loads, and of every option something is said."""

from __future__ import annotations

import inspect
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_bases import real_modules

from trainer import config, contradictions, targeting
from trainer.config import Config
from trainer.migration import converting, showing
from trainer.migration.converting import Converted
from trainer.migration.options import OPTIONS
from trainer.migration.rates import TAKES
from trainer.migration.reading import Given
from trainer.registry import FAMILIES
from trainer.updates import table

WORDS = {
    "lr_scheduler": ["constant", "cosine", "linear", "adafactor:0.1", "warmup_stable_decay", "cosine_with_min_lr"],
    "lr_scheduler_type": ["CosineAnnealingLR", "torch.optim.lr_scheduler.OneCycleLR", "x.RexAnnealingWarmRestarts"],
    "optimizer_type": ["AdamW", "Prodigy", "DAdaptLion", "adafactor", "AdamWScheduleFree", "SGDNesterov8bit", "x.Y"],
    "network_module": ["networks.lora", "lycoris.kohya", "networks.dylora", "networks.lora_fa", "networks.oft"],
    "loss_type": ["l1", "huber", "smooth_l1"],
    "huber_schedule": ["snr", "constant", "exponential"],
    "mixed_precision": ["no", "fp16", "bf16"],
    "save_precision": ["float", "fp16", "bf16"],
    "save_model_as": ["ckpt", "safetensors", "diffusers"],
    "log_with": ["all", "wandb", "tensorboard"],
    "resolution": ["512", "1024,768", "x"],
    "face_crop_aug_range": ["2.0,4.0", "1"],
    "output_name": ["a/b", "samples", ".x", "sks"],
    "sample_prompts": ["p.txt", "p.toml"],
    "block_lr": [",".join(["1e-5"] * 23), "1"],
    "token_string": ["sks"],
    "dynamo_backend": ["no", "eager"],
}
ARGUMENTS = {
    "network_args": [
        *("algo=lokr", "algo=dylora", "algo=diag-oft", "conv_dim=4", "conv_alpha=1", "preset=attn-mlp", "preset=x"),
        *("use_tucker=True", "dora_wd=True", "factor=8", "constraint=1", "rs_lora=True", "train_norm=True"),
        *("loraplus_lr_ratio=16", "rank_dropout=0.1", "block_dims=" + ",".join("4" * 23), "down_lr_weight=sine"),
        *("up_lr_weight=1,0,1", "mid_lr_weight=0", "full_matrix=True", "odd"),
    ],
    "optimizer_args": [
        "weight_decay=0.1",
        "betas=0.9,0.99",
        "relative_step=False",
        "warmup_init=True",
        "decouple=True",
    ],
    "lr_scheduler_args": ["T_max=9"],
    "base_weights": ["a.safetensors"],
}


def values(name: str) -> st.SearchStrategy[Any]:
    """Of an option, as a person may have written them."""
    if name in WORDS:
        return st.sampled_from(WORDS[name])
    if name in ARGUMENTS:
        return st.lists(st.sampled_from(ARGUMENTS[name]), unique=True)
    return {
        "switch": st.sampled_from([True, False, "true"]),
        "whole": st.sampled_from([0, 1, 2, 8, 225, "3", 1e3, -1]),
        "number": st.sampled_from([0, 0.1, 1, 5.0, "1e-4", "x", -0.5]),
        "text": st.sampled_from(["", "word", "/a/b.toml", "C:\\data\\x"]),
        "words": st.just(["a=1"]),
        "numbers": st.sampled_from([[1e-5], [1e-5, 0], 1e-4, []]),
    }[OPTIONS[name]]


@st.composite
def given_options(draw: st.DrawFn) -> dict[str, Any]:
    names = draw(st.lists(st.sampled_from(sorted(OPTIONS)), unique=True, max_size=40))
    return {name: draw(values(name)) for name in names}


def require_sound(made: Converted) -> None:
    """Raises ConfigError where our own checks have something against the result, for SDXL."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ours.toml"
        path.write_text(showing.as_json(made)["toml"])
        own = config.load(path)
    objective = "epsilon" if own.objective.name == "auto" else own.objective.name
    contradictions.refuse(own, family=FAMILIES.load("sdxl", field="model.family"), objective=objective)


@given(given_options(), st.sampled_from([None, True]))
@settings(deadline=None, max_examples=50)
def test_whatever_is_asked_for_makes_a_config_that_loads(options: dict[str, Any], is_sdxl: bool | None) -> None:
    made = converting.of_options(Given(options, is_sdxl=is_sdxl))
    if made.config["adapter"]["name"] == "textual_inversion" and "word" not in made.config["adapter"]:
        return  # sd-scripts refuses it as well
    require_sound(made)
    meant = {name for name, value in options.items() if value not in ("", [], False, "false")}
    assert meant <= {row.option for row in made.rows}


@pytest.mark.parametrize("name", sorted(OPTIONS))
def test_of_every_option_something_is_said_once(name: str) -> None:
    value = {"switch": True, "whole": 7, "number": 0.3, "text": "word", "words": ["a=1"], "numbers": [0.3]}
    for base in ({"network_dim": 4}, {}, {"token_string": "sks"}):
        given_ = {**base, name: WORDS.get(name, [value[OPTIONS[name]]])[0]}
        rows = [row for row in converting.of_options(Given(given_)).rows if row.option == name]
        assert len(rows) == 1, rows
        assert rows[0].kind in ("taken", "otherwise") or rows[0].remark


def test_arguments_that_both_libraries_have() -> None:
    for name, arguments in TAKES.items():
        assert arguments <= set(inspect.signature(table.resolve(name)).parameters), name


@cache
def modules(family: str) -> dict[str, torch.nn.Module]:
    return real_modules(family)


@pytest.mark.parametrize("family", ["sd15", "sdxl"])
@pytest.mark.parametrize("conv", ["", "conv_dim=4"])
def test_rules_of_blocks_find_modules(family: str, conv: str) -> None:
    """A rule that finds none is an error; some blocks have no attention, others no convolution."""
    dims = ",".join(str(place) for place in range(1, 26 if family == "sd15" else 24))
    arguments = [f"block_dims={dims}", "down_lr_weight=0,0.5", *([conv] if conv else [])]
    options = {"network_dim": 4, "network_args": arguments, "network_train_unet_only": True, "unet_lr": 1e-4}
    made = converting.of_options(Given(options, is_sdxl=family == "sdxl"))
    adapter = msgspec.convert(made.config, Config).adapter
    known = FAMILIES.load(family, field="model.family")
    assert targeting.sites(modules(family), known, adapter, kinds=("Linear", "Conv2d"))


def test_rules_of_a_finetune_find_modules() -> None:
    rates = ",".join(["1e-5"] * 22 + ["0"])
    options = {"block_lr": rates, "train_text_encoder": True, "learning_rate_te1": 5e-6, "learning_rate_te2": 0}
    made = converting.of_options(Given(options, is_sdxl=True))
    adapter = msgspec.convert(made.config, Config).adapter
    known = FAMILIES.load("sdxl", field="model.family")
    found = {site.path for site in targeting.sites(modules("sdxl"), known, adapter, kinds=())}
    assert "unet.conv_in" in found
    assert not {path for path in found if path.startswith(("unet.conv_out", "text_encoder_2."))}
