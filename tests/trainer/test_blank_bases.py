"""Base models with fresh weights: the libraries' own, of any sizes, which the trainer takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.models.autoencoders.autoencoder_kl import AutoencoderKL
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from transformers.models.clip.configuration_clip import CLIPTextConfig
from transformers.models.clip.modeling_clip import CLIPTextModel

from trainer.bases import identify, read_header
from trainer.blank import Request, fresh, request, shipped, write
from trainer.contracts.model import BaseSource
from trainer.errors import BaseModelError, ConfigError, StateError
from trainer.registry import FAMILIES

SMALL = """[unet]
block_out_channels = [16, 16, 16]
cross_attention_dim = 32
[text_encoder]
hidden_size = 32
intermediate_size = 64
num_hidden_layers = 1
[vae]
block_out_channels = [8, 8, 8]
"""


def small(root: Path, text: str = SMALL, **asked: Any) -> Request:
    path = root / "sizes.toml"
    path.write_text(text)
    given = {"seed": 0, "vae": None, "prediction": "epsilon", "zero_terminal_snr": False, **asked}
    return request("tiny", sizes=path, **given)


def test_weights_are_the_libraries_own_but_for_zeros(tmp_path: Path) -> None:
    made, asked = fresh(small(tmp_path)), small(tmp_path).sizes
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        unet = UNet2DConditionModel(**asked["unet"])
        text = CLIPTextModel(CLIPTextConfig(**asked["text_encoder"]))
        vae = AutoencoderKL(**asked["vae"])
    for part, own in (("text_encoder", text), ("vae", vae)):
        theirs = made[part].state_dict()
        assert all(torch.equal(tensor, theirs[name]) for name, tensor in own.state_dict().items())
    zeros = 0
    for name, weight in unet.named_parameters():
        is_zero = name.startswith("conv_out") or ".conv2." in name or ".proj_out." in name
        zeros += is_zero
        assert torch.equal(made["unet"].get_parameter(name), torch.zeros_like(weight) if is_zero else weight)
    assert zeros > 10


def test_the_callers_generator_is_left_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    fresh(small(tmp_path))
    assert torch.equal(before, torch.get_rng_state())


def test_the_shipped_sizes_are_those_of_dsk_tiny() -> None:
    sizes = shipped(FAMILIES.load("tiny", field="family"))
    assert list(sizes) == ["unet", "text_encoder", "vae"]
    assert sizes["unet"]["block_out_channels"] == [48, 96, 128]
    assert sizes["vae"]["block_out_channels"] == [24, 48, 64]
    assert list(shipped(FAMILIES.load("sdxl", field="family"))) == ["unet", "text_encoder", "text_encoder_2", "vae"]


def test_the_trainer_takes_it_and_knows_what_it_predicts(tmp_path: Path) -> None:
    counts = write(small(tmp_path, prediction="v_prediction", zero_terminal_snr=True), tmp_path / "base")
    assert counts["vae"] > 0
    header = read_header(tmp_path / "base")
    name, prediction = identify(header, {name: FAMILIES.load(name, field="family") for name in FAMILIES.names()})
    assert (name, prediction.objective, prediction.zero_terminal_snr) == ("tiny", "v_prediction", True)
    model = FAMILIES.load(name, field="family").load(BaseSource(header))
    assert model.latent_channels == 4


def test_a_trained_vae_takes_the_place_of_a_fresh_one(tmp_path: Path) -> None:
    write(small(tmp_path, seed=5), tmp_path / "first")
    made = fresh(small(tmp_path, vae=tmp_path / "first"))
    own, other = fresh(small(tmp_path)), fresh(small(tmp_path, seed=5))
    name = "encoder.conv_in.weight"
    assert torch.equal(made["vae"].get_parameter(name), other["vae"].get_parameter(name))
    assert torch.equal(made["unet"].get_parameter("conv_in.weight"), own["unet"].get_parameter("conv_in.weight"))


def test_nothing_is_written_over(tmp_path: Path) -> None:
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "thesis.txt").write_text("mine")
    with pytest.raises(StateError, match="is there already"):
        write(small(tmp_path), tmp_path / "base")
    assert (tmp_path / "base" / "thesis.txt").read_text() == "mine"


WRONG = {
    "[unets]\n": (ConfigError, "unknown section"),
    "unet = 3\n": (ConfigError, "must be a section"),
    "[unet]\nblock_channels = [16]\n": (BaseModelError, "no setting 'block_channels'"),
    "[unet]\nblock_out_channels = [16]\n": (BaseModelError, "describes no network"),
    "[unet]\ncross_attention_dim = 64\n": (ConfigError, "text encoders say 128"),
    '[text_encoder]\nnum_hidden_layers = "few"\n': (BaseModelError, "describes no network"),
    '[text_encoder]\nhidden_size = "wide"\n': (ConfigError, "hidden_size is 'wide'"),
    "[text_encoder]\nvocab_size = 100\n": (ConfigError, "must have vocab_size 49408"),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_sizes_are_told(text: str, tmp_path: Path) -> None:
    error, match = WRONG[text]
    with pytest.raises(error, match=match):
        write(small(tmp_path, text), tmp_path / "base")
    assert not (tmp_path / "base").exists()


def test_epsilon_has_no_zero_terminal_snr(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="epsilon says nothing"):
        small(tmp_path, zero_terminal_snr=True)
    with pytest.raises(ConfigError, match="there is no 'huge'"):
        request("huge", sizes=None, seed=0, vae=None, prediction="epsilon", zero_terminal_snr=False)
    assert json.dumps(small(tmp_path).sizes)
