"""The families' loading and saving: seeds, folders, files, faults, other VAEs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers.pipelines.stable_diffusion.pipeline_stable_diffusion import StableDiffusionPipeline
from diffusers.pipelines.stable_diffusion_xl.pipeline_stable_diffusion_xl import StableDiffusionXLPipeline
from safetensors.torch import load_file, save_file
from tiny_bases import write_sd15, write_sdxl

from trainer.bases import identify, read_header
from trainer.contracts.model import BaseSource, Geometry, Prediction, SaveAs
from trainer.errors import BaseModelError, ConfigError, WriteError
from trainer.registry import FAMILIES

TINY = FAMILIES.load("tiny", field="model.family")
ALL = {name: FAMILIES.load(name, field="model.family") for name in ("tiny", "sd15", "sdxl")}
WRITERS = {"sd15": write_sd15, "sdxl": write_sdxl}
PIPELINES: dict[str, Any] = {"sd15": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
FOLDER = SaveAs("diffusers", torch.float32, {}, Prediction("epsilon", False))
PLACE = Geometry((64, 64), (0, 0), (64, 64))
WEIGHTS = "diffusion_pytorch_model.safetensors"


def load(path: Path | None = None, **source: Any) -> Any:
    """The tiny model without a path; else by the family that knows it."""
    if path is None:
        return TINY.load(BaseSource(None, **source))
    header = read_header(path)
    return ALL[identify(header, ALL)[0]].load(BaseSource(header, **source))


@pytest.fixture(scope="module")
def model() -> Any:
    return load()


@pytest.fixture(scope="module")
def folder(model: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("base") / "tiny"
    TINY.save(model, path, FOLDER)
    return path


def test_the_seed_decides_the_weights(model: Any) -> None:
    assert model.digest() == load().digest()
    assert model.digest() != load(seed=1).digest()
    assert len({model.digest(), model.vae_digest(), model.text_digest()}) == 3


def test_sizes(model: Any) -> None:
    assert 3e6 < sum(weight.numel() for weight in model.parts["unet"].parameters()) < 6e6
    mean, deviation = model.encode_pixels(torch.zeros(2, 3, 48, 80))
    assert mean.shape == deviation.shape == (2, model.latent_channels, 12, 20)
    assert (deviation > 0).all()
    assert model.decode(mean).shape == (2, 3, 48, 80)
    assert TINY.latent_stride_px == 4


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_nothing_of_the_base_is_trained(name: str, tmp_path: Path) -> None:
    model = load(WRITERS[name](tmp_path))
    for network in model.networks.values():
        assert not network.training
        assert all(weight.dtype == torch.float32 and not weight.requires_grad for weight in network.parameters())
    assert set(model.parts) == set(ALL[name].lora_prefixes)
    assert set(model.token_embeddings) == set(ALL[name].embedding_keys)


def test_a_folder_gives_the_same_model_back(model: Any, folder: Path) -> None:
    assert load(folder).digest() == model.digest()


@pytest.mark.parametrize("name", [pytest.param("sd15", marks=pytest.mark.slow), "sdxl"])
def test_a_folder_has_the_file_s_numbers(name: str, tmp_path: Path) -> None:
    path = WRITERS[name](tmp_path)
    unet = load(path).networks["unet"]
    file = load_file(path / "unet" / WEIGHTS)
    assert all(torch.equal(unet.state_dict()[key], tensor.float()) for key, tensor in file.items())


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_file_and_a_folder_hold_the_same_model(name: str, tmp_path: Path) -> None:
    one = load(WRITERS[name](tmp_path / "folder"))
    other = load(WRITERS[name](tmp_path / "file", single_file=True))
    for part, network in one.networks.items():
        theirs = other.networks[part].state_dict()
        assert all(torch.equal(tensor, theirs[key]) for key, tensor in network.state_dict().items())
    prompts = ["1girl, solo"]
    for key, tensor in one.encode_text(prompts)[0].items():
        torch.testing.assert_close(other.encode_text(prompts)[0][key], tensor)


@pytest.mark.parametrize("prediction", [("epsilon", False), ("v_prediction", True)])
@pytest.mark.parametrize("name", [pytest.param("sd15", marks=pytest.mark.slow), "sdxl"])
def test_diffusers_loads_what_is_written(name: str, prediction: tuple[str, bool], tmp_path: Path) -> None:
    model = load(WRITERS[name](tmp_path / "base"))
    out = tmp_path / "out"
    ALL[name].save(model, out, SaveAs("diffusers", torch.float16, {}, Prediction(*prediction)))
    pipe = PIPELINES[name].from_pretrained(out)
    assert pipe.scheduler.config.prediction_type == prediction[0]
    assert pipe.scheduler.config.rescale_betas_zero_snr is prediction[1]
    for part, network in model.networks.items():
        theirs = getattr(pipe, part).state_dict()
        assert all(torch.equal(tensor.half(), theirs[key].half()) for key, tensor in network.state_dict().items())
    assert pipe.tokenizer("1girl, solo").input_ids[1:-1] == model.token_ids("1girl, solo")
    family, told = identify(read_header(out), ALL)
    assert (family, told.objective, told.zero_terminal_snr) == (name, *prediction)
    assert load(out).digest() == model.digest()
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_single_file_comes_back(name: str, tmp_path: Path) -> None:
    model = load(WRITERS[name](tmp_path / "base"))
    out = tmp_path / "out.safetensors"
    ALL[name].save(model, out, SaveAs("single-file", torch.float32, {"a": "b"}, Prediction("v_prediction", True)))
    family, told = identify(read_header(out), ALL)
    assert (family, told.objective, told.zero_terminal_snr) == (name, "v_prediction", True)
    again = load(out)
    assert again.digest() == model.digest()
    assert again.text_digest() == model.text_digest()
    texts = model.encode_text(["1girl"]), again.encode_text(["1girl"])
    noisy = torch.ones(1, 4, 8, 8)
    outputs = [
        one.predict(noisy, torch.tensor([10.0]), condition=one.assemble(text, [PLACE]))
        for one, text in zip((model, again), texts, strict=True)
    ]
    torch.testing.assert_close(*outputs)


def test_the_tiny_family_has_no_single_file(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"output\.layout"):
        TINY.save(model, tmp_path / "x.safetensors", SaveAs("single-file", torch.float16, {}, Prediction()))


def test_rectified_flow_is_told(model: Any, tmp_path: Path) -> None:
    TINY.save(model, tmp_path / "out", SaveAs("diffusers", torch.float16, {}, Prediction("rectified_flow")))
    assert identify(read_header(tmp_path / "out"), ALL)[1].objective == "rectified_flow"


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_a_family_without_a_base(name: str) -> None:
    with pytest.raises(BaseModelError, match=r"model\.base"):
        ALL[name].load(BaseSource(None))


def halves(path: Path) -> None:
    """Only the fp16 variant is there."""
    for file in path.rglob("*.safetensors"):
        file.rename(file.with_suffix(".fp16.safetensors"))


def shards(path: Path) -> None:
    """The UNet in two pieces and an index."""
    file = path / "unet" / WEIGHTS
    tensors = load_file(file)
    file.unlink()
    names = sorted(tensors)
    pieces = {"a.safetensors": names[: len(names) // 2], "b.safetensors": names[len(names) // 2 :]}
    for name, held in pieces.items():
        save_file({key: tensors[key] for key in held}, path / "unet" / name)
    index = {"weight_map": {key: name for name, held in pieces.items() for key in held}}
    (path / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps(index))


def old_vae(path: Path) -> None:
    """The names that VAEs had in 2022."""
    file = path / "vae" / WEIGHTS
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for key, tensor in load_file(file).items():
        for new, name in old.items():
            key = key.replace(f".{new}.", f".{name}.")
        tensors[key] = tensor
    assert any(".query." in key for key in tensors)
    save_file(tensors, file)


def positions(path: Path) -> None:
    """Positions among the weights, as old exports have them."""
    file = path / "text_encoder" / "model.safetensors"
    save_file(load_file(file) | {"text_model.embeddings.position_ids": torch.arange(77)[None]}, file)


def whole_clip(path: Path) -> None:
    """A text encoder with what only CLIP's own training needs."""
    file = path / "text_encoder" / "model.safetensors"
    save_file(load_file(file) | {"text_projection.weight": torch.eye(3), "logit_scale": torch.tensor(4.6)}, file)


@pytest.mark.parametrize("change", [halves, shards, old_vae, positions, whole_clip])
def test_folders_as_people_have_them(change: Callable[[Path], None], folder: Path, model: Any, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "base")
    change(copy)
    assert load(copy).digest() == model.digest()


def broken_weights(path: Path) -> None:
    (path / "unet" / WEIGHTS).write_bytes(b"\x80\x04not safetensors")


def missing_weight(path: Path) -> None:
    file = path / "vae" / WEIGHTS
    tensors = load_file(file)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, file)


def strange_weight(path: Path) -> None:
    file = path / "vae" / WEIGHTS
    save_file(load_file(file) | {"other": torch.zeros(1)}, file)


def whole_numbers(path: Path) -> None:
    file = path / "vae" / WEIGHTS
    save_file({key: tensor.to(torch.int8) for key, tensor in load_file(file).items()}, file)


def other_width(path: Path) -> None:
    change(path / "unet" / "config.json", cross_attention_dim=64)


def no_file(path: Path) -> None:
    (path / "unet" / WEIGHTS).rename(path / "unet" / "diffusion_pytorch_model.bin")


def far_shard(path: Path) -> None:
    (path / "unet" / WEIGHTS).unlink()
    (path / "unet" / f"{WEIGHTS}.index.json").write_text(json.dumps({"weight_map": {"a": "../../x.safetensors"}}))


def bad_json(path: Path) -> None:
    (path / "vae" / "config.json").write_text("{")


def senseless(path: Path) -> None:
    change(path / "unet" / "config.json", block_out_channels="wide")


def no_text(path: Path) -> None:
    (path / "text_encoder" / "config.json").unlink()


def change(file: Path, **values: Any) -> None:
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


FAULTS = [
    broken_weights, missing_weight, strange_weight, whole_numbers, other_width, no_file, far_shard, bad_json, senseless,
    no_text,
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_faulty_folder_is_refused_by_name(fault: Callable[[Path], None], folder: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folder, tmp_path / "base")
    fault(copy)
    with pytest.raises(BaseModelError, match=str(copy)):
        TINY.load(BaseSource(read_header(copy)))


def test_the_wrong_family_is_told(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="4 px per latent"):
        ALL["sd15"].load(BaseSource(read_header(folder)))
    with pytest.raises(BaseModelError, match="text_encoder_2"):
        ALL["sdxl"].load(BaseSource(read_header(write_sd15(tmp_path))))


@pytest.mark.parametrize("kind", ["folder", pytest.param("subfolder", marks=pytest.mark.slow), "file"])
def test_another_vae(kind: str, tmp_path: Path) -> None:
    base, other = write_sd15(tmp_path / "base"), write_sdxl(tmp_path / "other")
    path = {"folder": other / "vae", "subfolder": other, "file": other / "vae" / WEIGHTS}[kind]
    model, wanted = load(base, vae=path), load(other)
    theirs = wanted.networks["vae"].state_dict()
    assert all(torch.equal(tensor, theirs[key]) for key, tensor in model.networks["vae"].state_dict().items())
    # A folder says its own scale, a file has none.
    assert (model.vae_digest() == wanted.vae_digest()) == (kind != "file")
    assert model.digest() != load(base).digest()


def test_a_vae_that_another_takes_the_place_of_is_not_read(tmp_path: Path) -> None:
    base = write_sd15(tmp_path / "a", single_file=True)
    whole = load(base)
    other = write_sd15(tmp_path / "b") / "vae" / WEIGHTS
    save_file({key: one for key, one in load_file(base).items() if key != "first_stage_model.quant_conv.bias"}, base)
    assert load(base, vae=other).digest() == whole.digest()
    with pytest.raises(BaseModelError, match=r"lacks first_stage_model\.quant_conv\.bias"):
        load(base)


def test_a_folder_is_not_written_with_numbers_that_it_cannot_hold(tmp_path: Path) -> None:
    model = load()
    with torch.no_grad():
        next(model.parts["unet"].parameters()).flatten()[0] = 1e6
    with pytest.raises(WriteError, match="holds numbers that fp16 cannot"):
        TINY.save(model, tmp_path / "out", SaveAs("diffusers", torch.float16, {}, Prediction()))
    assert list(tmp_path.iterdir()) == []


def test_links_blanks_and_letters_of_any_script_in_names(tmp_path: Path) -> None:
    base = write_sd15(tmp_path / "mein Modell 模型")
    link = tmp_path / "link"
    link.symlink_to(base, target_is_directory=True)
    out = tmp_path / "モデル (2)" / "aus gabe.safetensors"
    ALL["sd15"].save(load(link), out, SaveAs("single-file", torch.float16, {}, Prediction()))
    (tmp_path / "link.safetensors").symlink_to(out)
    assert load(tmp_path / "link.safetensors").digest() == load(base).digest()
