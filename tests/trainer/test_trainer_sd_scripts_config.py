"""Configurations of sd-scripts become ours: whoever wrote them, whatever they ask for, and every option is answered."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from trainer import config
from trainer.config import Config
from trainer.errors import ConfigError, WriteError
from trainer.migration import converting, showing
from trainer.migration.converting import Converted
from trainer.migration.desk import Row
from trainer.sections import RuleConfig

CHARACTER = """
[model_arguments]
pretrained_model_name_or_path = "/models/noobai-vpred.safetensors"
v_parameterization = true
zero_terminal_snr = true
[network_arguments]
network_module = "networks.lora"
network_dim = 16
network_alpha = 8
network_args = ["conv_dim=8", "conv_alpha=4", "loraplus_lr_ratio=4"]
[optimizer_arguments]
optimizer_type = "AdamW8bit"
optimizer_args = ["weight_decay=0.1", "betas=0.9,0.99"]
unet_lr = 3e-4
text_encoder_lr = [6e-5, 0.0]
lr_scheduler = "cosine_with_restarts"
lr_scheduler_num_cycles = 3
lr_warmup_steps = 0.05
[training_arguments]
max_train_epochs = 10
mixed_precision = "bf16"
gradient_checkpointing = true
xformers = true
clip_skip = 2
max_token_length = 225
save_precision = "bf16"
save_every_n_epochs = 1
output_dir = "/out"
output_name = "sks"
train_data_dir = "/data/img"
resolution = "1024,1024"
enable_bucket = true
shuffle_caption = true
caption_extension = ".txt"
caption_dropout_rate = 0.1
sample_prompts = "/prompts.txt"
sample_every_n_epochs = 2
sample_sampler = "euler_a"
wandb_api_key = "hush"
noise_offset = 0
"""
LOKR = """accelerate launch --num_processes 1 sdxl_train_network.py \\
  --pretrained_model_name_or_path=base.safetensors --dataset_config data.toml \\
  --network_module lycoris.kohya --network_dim 10000 --network_alpha 1 \\
  --network_args "algo=lokr" "factor=8" "full_matrix=True" "preset=attn-mlp" "bypass_mode=False" \\
  --network_train_unet_only --optimizer_type Prodigy --optimizer_args decouple=True d_coef=2 slice_p=11 \\
  --learning_rate 1 --unet_lr 1 --max_train_steps 2000 --min_snr_gamma 5 --seed 42 --full_bf16 --mixed_precision bf16
"""
FINETUNE = """
pretrained_model_name_or_path = "/models/illustrious.safetensors"
in_json = "/data/meta.json"
train_data_dir = "/data/images"
dataset_repeats = 2
train_text_encoder = true
learning_rate = 1e-5
learning_rate_te1 = 5e-6
learning_rate_te2 = 0
block_lr = "{rates}"
optimizer_type = "Adafactor"
optimizer_args = ["scale_parameter=False", "relative_step=False", "warmup_init=False"]
lr_scheduler = "constant_with_warmup"
lr_warmup_steps = 100
full_bf16 = true
fused_backward_pass = true
save_model_as = "diffusers"
max_train_steps = 4000
""".format(rates=",".join(["1e-5"] * 22 + ["0"]))


def taken(path: Path, text: str, **how: Any) -> tuple[Converted, Config]:
    """A text converted, and what our own reader makes of the TOML."""
    path.write_text(text)
    made = converting.convert(path, **how)
    own = path.with_name("ours.toml")
    own.write_text(showing.as_json(made)["toml"])
    return made, config.load(own)


def kinds(rows: tuple[Row, ...]) -> dict[str, str]:
    return {row.option: row.kind for row in rows}


def test_a_character(tmp_path: Path) -> None:
    made, own = taken(tmp_path / "config.toml", CHARACTER)
    assert own.model.base == "/models/noobai-vpred.safetensors"
    assert (own.objective.name, own.objective.zero_terminal_snr) == ("v_prediction", True)
    asked = own.adapter
    assert (asked.name, asked.rank, asked.alpha, asked.conv_rank, asked.conv_alpha) == ("lora", 16, 8.0, 8, 4.0)
    assert asked.text_targets == "attention+mlp"
    assert asked.rules == (RuleConfig(r"text_encoder_2\..*", learning_rate=0.0),)
    rates = own.optimizer
    assert (rates.name, rates.learning_rate, rates.text_encoder_rate) == ("adamw8bit", 3e-4, 6e-5)
    assert (rates.weight_decay, rates.lora_plus, rates.arguments) == (0.1, 4.0, {"betas": [0.9, 0.99]})
    assert (own.schedule.name, own.schedule.cycles, own.schedule.warmup) == ("cosine_restarts", 3, 0.05)
    assert (own.train.epochs, own.train.steps, own.train.precision) == (10, 0, "bf16")
    assert (own.memory.weights, own.memory.adapter_weights, own.memory.checkpointing) == ("bf16", "auto", True)
    assert (own.train.save_every_epochs, own.train.keep_results) == (1, True)
    assert (own.output.dir, own.output.name, own.output.dtype) == ("/out/sks", "sks", "bf16")
    assert own.dataset.resolution == 1024
    assert own.dataset.general == {
        "caption_extension": ".txt",
        "shuffle_caption": True,
        "enable_bucket": True,
        "caption_dropout_rate": 0.1,
    }
    assert (own.sample.prompt_file, own.sample.every_epochs) == ("/prompts.txt", 2)
    assert (own.text.clip_skip, own.text.max_token_length) == (2, 225)
    told = kinds(made.rows)
    assert told["xformers"] == told["noise_offset"] == "no effect"
    assert told["sample_sampler"] == told["wandb_api_key"] == "not taken"
    assert told["max_token_length"] == told["output_dir"] == "otherwise"
    assert "hush" not in json.dumps(showing.as_json(made))


def test_a_lokr_on_a_command_line(tmp_path: Path) -> None:
    (tmp_path / "data.toml").write_text("")
    made, own = taken(tmp_path / "train.sh", LOKR)
    asked = own.adapter
    assert (asked.name, asked.rank, asked.factor, asked.full_matrix) == ("lokr", 10000, 8, True)
    assert (asked.targets, asked.conv_rank, asked.text_targets) == ("kohya", 0, "none")
    assert own.optimizer.arguments == {
        "safeguard_warmup": False,
        "bias_correction": False,
        "weight_decouple": True,
        "d_coef": 2,
    }
    assert (own.optimizer.learning_rate, own.optimizer.weight_decay) == (1.0, 0.0)
    assert own.dataset.config == str(tmp_path / "data.toml")
    assert (own.memory.adapter_weights, own.output.dtype) == ("bf16", "bf16")
    assert kinds(made.rows)["optimizer_args slice_p"] == "not taken"


def test_a_finetune_with_metadata(tmp_path: Path) -> None:
    made, own = taken(tmp_path / "config.toml", FINETUNE, beside=tmp_path / "ours.toml")
    assert (own.adapter.name, own.adapter.text_targets, own.output.layout) == ("full", "full", "diffusers")
    assert (own.optimizer.name, own.optimizer.arguments) == ("adafactor", {"scale_parameter": False})
    assert (own.optimizer.text_encoder_rate, own.optimizer.text_encoder_2_rate) == (5e-6, 5e-6)
    assert len(own.adapter.rules) == 24
    assert own.adapter.rules[0] == RuleConfig(r"text_encoder_2\..*", learning_rate=0.0)
    assert own.adapter.rules[-1].learning_rate == 0.0
    assert own.memory.fused_backward is True
    assert (own.memory.weights, own.memory.adapter_weights) == ("bf16", "auto")
    assert own.dataset.train_dir == ""
    assert own.dataset.config == str(tmp_path / "ours-dataset.toml")
    subset = {"image_dir": "/data/images", "metadata_file": "/data/meta.json", "num_repeats": 2}
    assert made.dataset == {"datasets": [{"subsets": [subset]}]}
    assert tomllib.loads(showing.as_json(made)["dataset_toml"]) == made.dataset


def test_adafactor_that_finds_its_rate(tmp_path: Path) -> None:
    text = 'network_dim = 8\noptimizer_type = "Adafactor"\nlearning_rate = 1.0\nnetwork_train_unet_only = true\n'
    made, own = taken(tmp_path / "a.toml", text)
    assert (own.optimizer.learning_rate, own.optimizer.arguments) == (0.01, {"scale_parameter": True})
    assert kinds(made.rows)["learning_rate"] == "otherwise"


def test_blocks(tmp_path: Path) -> None:
    dims = ",".join(["2"] * 8 + ["8"] * 8 + ["4"] * 7)
    down = "0,1,1,1,1,1,1,0.5,0.5"
    text = f'network_dim = 4\nunet_lr = 1e-4\nnetwork_args = ["block_dims={dims}", "down_lr_weight={down}"]\n'
    _, own = taken(tmp_path / "a.toml", text)
    found = {rule.match: (rule.rank, rule.learning_rate) for rule in own.adapter.rules}
    assert found == {
        r"unet\.(input_blocks\.4|input_blocks\.5)\..*": (2, 1e-4),
        r"unet\.(input_blocks\.7|input_blocks\.8)\..*": (8, 5e-5),
        r"unet\.(middle_block\.1|output_blocks\.0|output_blocks\.1|output_blocks\.2)\..*": (8, 1e-4),
        r"unet\.(output_blocks\.3|output_blocks\.4|output_blocks\.5)\..*": (4, 1e-4),
    }


def test_what_sd_scripts_does_unasked_is_said(tmp_path: Path) -> None:
    made, own = taken(tmp_path / "a.toml", 'network_module = "networks.lora"\n')
    assert (own.adapter.rank, own.adapter.alpha, own.train.steps) == (4, 1.0, 1600)
    assert own.optimizer.learning_rate == 2e-6
    assert own.adapter.text_targets == "attention+mlp"
    unasked = {row.option for row in made.rows if row.value.startswith("(not given)")}
    assert unasked == {
        *("network_dim", "network_alpha", "max_train_steps", "learning_rate", "text_encoder_lr"),
        "max_token_length",
    }


GUI = {
    "LoRA_type": "LyCORIS/LoHa",
    "LyCORIS_preset": "full",
    "sdxl": True,
    "optimizer": "AdamW",
    "max_resolution": "1024,768",
    "epoch": 8,
    "max_train_steps": 0,
    "lr_warmup": 10,
    "network_dim": 8,
    "network_alpha": 4,
    "conv_dim": 4,
    "conv_alpha": 1,
    "unet_lr": 0.0,
    "learning_rate": 0.0001,
    "lr_scheduler": "cosine",
    "xformers": "xformers",
    "noise_offset_type": "Multires",
    "noise_offset": 0.05,
    "multires_noise_iterations": 6,
    "min_snr_gamma": 0,
    "clip_skip": 2,
    "network_train_unet_only": True,
    "additional_parameters": "--v_parameterization --zero_terminal_snr",
    "gpu_ids": "0",
}


def test_the_json_of_kohya_ss(tmp_path: Path) -> None:
    made, own = taken(tmp_path / "gui.json", json.dumps(GUI))
    assert (own.adapter.name, own.adapter.targets, own.adapter.conv_rank) == ("loha", "full", 4)
    assert (own.train.epochs, own.schedule.warmup, own.optimizer.learning_rate) == (8, 0.1, 1e-4)
    assert own.dataset.general == {"resolution": [1024, 768]}
    assert (own.noise.offset, own.noise.pyramid_iterations) == (0.0, 6)
    assert own.objective.name == "v_prediction"
    assert own.text.clip_skip == 0
    assert kinds(made.rows)["clip_skip"] == "no effect"


EASY = """
[[subsets]]
name = "girl"
image_dir = "/data/girl"
num_repeats = 3
[general_args.args]
pretrained_model_name_or_path = "/models/base.safetensors"
sdxl = true
[general_args.dataset_args]
resolution = 1024
batch_size = 2
[network_args.args]
network_dim = 8
network_alpha = 4.0
[network_args.args.network_args]
conv_dim = 8
algo = "locon"
[optimizer_args.args]
optimizer_type = "Came"
lr_scheduler_type = "LoraEasyCustomOptimizer.RexAnnealingWarmRestarts.RexAnnealingWarmRestarts"
warmup_ratio = 0.1
unet_lr = 2e-4
[optimizer_args.args.optimizer_args]
weight_decay = 0.05
[train_mode]
train_mode = "lora"
"""


def test_a_toml_of_easy_training_scripts(tmp_path: Path) -> None:
    made, own = taken(tmp_path / "easy.toml", EASY)
    assert made.dataset == {
        "datasets": [{"resolution": 1024, "batch_size": 2, "subsets": [{"image_dir": "/data/girl", "num_repeats": 3}]}]
    }
    assert (own.adapter.name, own.adapter.conv_rank, own.adapter.conv_alpha) == ("lora", 8, 4.0)
    assert (own.optimizer.name, own.optimizer.weight_decay) == ("came", 0.05)
    assert (own.schedule.name, own.schedule.warmup) == ("rex", 0.1)


REFUSED = {
    "nothing of it": ("a.toml", "x = 1\n", "holds no option"),
    "no TOML": ("a.toml", "x = \n", "is not valid TOML"),
    "no JSON": ("a.json", "{", "is not valid JSON"),
    "a list": ("a.json", "[]", "is no config of a GUI"),
    "no command": ("a.sh", "echo hello\n", "there is no command line"),
    "a dataset": ("a.toml", "[general]\nflip_aug = true\n[[datasets]]\nresolution = 512\n", "is a dataset TOML"),
    "another model": ("a.sh", "python flux_train_network.py --seed 1\n", "trains other models"),
    "an open quote": ("a.sh", "python train_network.py --seed '1\n", "cannot be taken apart"),
    "no config file": ("a.sh", "python train_network.py --config_file gone\n", "is not there"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, tmp_path: Path) -> None:
    file, text, message = REFUSED[name]
    (tmp_path / file).write_text(text)
    with pytest.raises(ConfigError) as caught:
        converting.convert(tmp_path / file)
    assert message in caught.value.message
    assert str(tmp_path / file) in caught.value.message


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    made, _ = taken(tmp_path / "config.toml", FINETUNE, beside=tmp_path / "new.toml")
    (tmp_path / "new-dataset.toml").write_text("mine")
    with pytest.raises(WriteError):
        showing.write(made, tmp_path / "new.toml")
    assert not (tmp_path / "new.toml").exists()
    assert (tmp_path / "new-dataset.toml").read_text() == "mine"
