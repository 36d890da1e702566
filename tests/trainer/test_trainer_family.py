"""The tiny family: same weights for a seed, its latents, its folder, its prompts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from trainer.contracts import BaseSource, Model
from trainer.errors import BaseModelError
from trainer.families._stable_diffusion import StableDiffusion, write_folder
from trainer.registry import FAMILIES

TINY = FAMILIES.load("tiny", field="model.family")


def load(folder: Path | None = None, *, seed: int = 0, prediction: str = "epsilon") -> Model:
    return TINY.load(BaseSource(folder, seed, "cpu", prediction))


@pytest.fixture(scope="module")
def model() -> Model:
    return load()


@pytest.fixture(scope="module")
def folder(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base")
    assert isinstance(model, StableDiffusion)
    write_folder(model, path, prediction_type="epsilon")
    return path


def test_the_seed_decides_the_weights(model: Model) -> None:
    assert model.digest() == load().digest()
    assert model.digest() != load(seed=1).digest()


def test_sizes(model: Model) -> None:
    assert 3e6 < sum(weight.numel() for weight in model.parts["unet"].parameters()) < 6e6
    mean, deviation = model.encode_pixels(torch.zeros(2, 3, 48, 80))
    assert mean.shape == deviation.shape == (2, model.latent_channels, 12, 20)
    assert (deviation > 0).all()
    assert model.decode(mean).shape == (2, 3, 48, 80)
    assert TINY.latent_stride_px == 4


def test_nothing_of_the_base_is_trained(model: Model) -> None:
    assert not any(weight.requires_grad for part in model.parts.values() for weight in part.parameters())


def test_a_short_prompt_beside_a_long_one_is_filled_with_nothing(model: Model) -> None:
    long = ", ".join(["long hair"] * 60)
    both = model.condition(["1girl", long], [])["states"]
    assert both.shape[1] % 77 == 0
    assert both.shape[1] > 77
    assert torch.equal(both[0, :77], model.condition(["1girl"], [])["states"][0])
    assert torch.equal(both[0, 77:154], model.condition([""], [])["states"][0])


def test_presets_name_linear_layers(model: Model) -> None:
    import re

    names = [
        f"unet.{path}" for path, module in model.parts["unet"].named_modules() if isinstance(module, torch.nn.Linear)
    ]
    for patterns in TINY.targets.values():
        assert all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns)


def test_a_folder_gives_the_same_model_back(model: Model, folder: Path) -> None:
    again = load(folder)
    torch.testing.assert_close(
        again.condition(["1girl, solo"], [])["states"], model.condition(["1girl, solo"], [])["states"]
    )
    assert again.vae_digest() == model.vae_digest()


def test_a_folder_of_another_objective_is_refused(folder: Path) -> None:
    with pytest.raises(BaseModelError, match="trained for 'epsilon'"):
        load(folder, prediction="v_prediction")


def broken_weights(path: Path) -> None:
    (path / "unet" / "diffusion_pytorch_model.safetensors").write_bytes(b"\x80\x04not safetensors")


def missing_weight(path: Path) -> None:
    file = path / "vae" / "diffusion_pytorch_model.safetensors"
    tensors = load_file(file)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, file)


def bad_json(path: Path) -> None:
    (path / "vae" / "config.json").write_text("{")


def other_stride(path: Path) -> None:
    file = path / "vae" / "config.json"
    data = json.loads(file.read_text())
    data.update(
        block_out_channels=[16, 32],
        down_block_types=["DownEncoderBlock2D"] * 2,
        up_block_types=["UpDecoderBlock2D"] * 2,
    )
    file.write_text(json.dumps(data))


def no_text(path: Path) -> None:
    (path / "text_encoder" / "config.json").unlink()


@pytest.mark.parametrize("fault", [broken_weights, missing_weight, bad_json, other_stride, no_text])
def test_a_faulty_folder_is_refused_by_name(fault, folder: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    import shutil

    copy = tmp_path / "base"
    shutil.copytree(folder, copy)
    fault(copy)
    with pytest.raises(BaseModelError, match=str(copy)):
        load(copy)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="not a folder"):
        load(tmp_path / "gone")
