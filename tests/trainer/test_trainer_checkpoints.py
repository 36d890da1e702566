"""Single-file checkpoints: names against diffusers' own conversion, round trips, files as people have them."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from checkpoint_networks import assert_same, build, settings, small_networks
from diffusers.loaders import single_file_utils
from safetensors.torch import load_file, save_file
from torch import nn

from trainer.bases import read_header
from trainer.contracts.model import Prediction
from trainer.errors import BaseModelError, WriteError
from trainer.families import _ldm_unet
from trainer.families._single_file import (
    Kind,
    load_networks,
    load_vae,
    network_settings,
    places,
    save_checkpoint,
    shipped,
)

KINDS: tuple[Kind, ...] = ("sd15", "sdxl")
PLAIN = Prediction()
CLIP = {"sd15": "cond_stage_model.transformer.", "sdxl": "conditioner.embedders.0.transformer."}
OPEN_CLIP = "conditioner.embedders.1.model."


def save(
    networks: dict[str, nn.Module], path: Path, kind: Kind, *, dtype: torch.dtype = torch.float32, told: Any = PLAIN
) -> Path:
    save_checkpoint(networks, path, kind=kind, dtype=dtype, metadata={"title": "x"}, prediction=told)
    return path


def like(networks: dict[str, nn.Module], kind: Kind, device: str = "cpu") -> dict[str, nn.Module]:
    return build(settings(kind, small=True), device)


def bare(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {key.removeprefix("text_model."): tensor for key, tensor in state.items()}


def converted(file: dict[str, torch.Tensor], networks: dict[str, nn.Module], kind: Kind) -> dict[str, dict[str, Any]]:
    """What diffusers' conversion makes of a checkpoint's tensors, by part."""
    unet: Any = networks["unet"].config
    vae: Any = networks["vae"].config
    found = {
        "unet": single_file_utils.convert_ldm_unet_checkpoint(dict(file), dict(unet)),
        "vae": single_file_utils.convert_ldm_vae_checkpoint(dict(file), dict(vae)),
        "text_encoder": bare(single_file_utils.convert_ldm_clip_checkpoint(dict(file), remove_prefix=CLIP[kind])),
    }
    if kind == "sdxl":
        second = networks["text_encoder_2"]
        found["text_encoder_2"] = bare(
            single_file_utils.convert_open_clip_checkpoint(second, dict(file), prefix=OPEN_CLIP)
        )
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_diffusers_reads_what_we_write(kind: Kind, tmp_path: Path) -> None:
    networks = small_networks(kind)
    file = load_file(save(networks, tmp_path / "a.safetensors", kind))
    for part, state in converted(file, networks, kind).items():
        assert_same(state, bare(networks[part].state_dict()))


@pytest.mark.parametrize("kind", KINDS)
def test_every_weight_of_the_whole_model_has_the_place_that_diffusers_expects(kind: Kind) -> None:
    networks = build(settings(kind, small=False), "meta")
    file: dict[str, torch.Tensor] = {}
    for part, network in networks.items():
        state, table = network.state_dict(), places(network, part, kind)
        assert len(set(table.values())) == len(state), "no two weights share a place"
        for key, place in table.items():
            shape = list(state[key].shape)
            shape[0] *= 3 if place.third is not None else 1
            file[place.key] = torch.empty(shape[::-1] if place.turned else shape, device="meta")
            assert "," not in place.key
    for part, state in converted(file, networks, kind).items():
        expected = {key: tensor.shape for key, tensor in bare(networks[part].state_dict()).items()}
        assert {key: tensor.shape for key, tensor in state.items()} == expected


@pytest.mark.parametrize("kind", KINDS)
def test_unet_names_go_there_and_back(kind: Kind) -> None:
    wanted = settings(kind, small=False)["unet"]
    network = build(settings(kind, small=False), "meta")["unet"]
    shape = _ldm_unet.shape_of(wanted)
    keys = list(network.state_dict())
    paths = [*keys, *sorted({key.rpartition(".")[0] for key in keys})]
    assert len(paths) > 1000
    for path in paths:
        theirs = _ldm_unet.to_ldm(path, shape)
        assert theirs != path
        assert _ldm_unet.from_ldm(theirs, shape) == path
        assert _ldm_unet.to_ldm(theirs, shape) == theirs, "a name of theirs is left alone"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("device", ["cpu", "meta"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_what_was_written_is_read_back(kind: Kind, device: str, dtype: torch.dtype, tmp_path: Path) -> None:
    networks = small_networks(kind)
    path = save(networks, tmp_path / "a.safetensors", kind, dtype=dtype)
    again = like(networks, kind, device)
    load_networks(path, again, kind)
    for part, network in networks.items():
        assert_same(again[part].state_dict(), network.state_dict())
        assert all(tensor.dtype == torch.float32 for tensor in again[part].parameters())
        assert not any(buffer.is_meta for buffer in again[part].buffers())


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_are_told_by_the_shapes(kind: Kind, tmp_path: Path) -> None:
    path = save(small_networks(kind), tmp_path / "a.safetensors", kind)
    assert network_settings(read_header(path), kind) == settings(kind, small=True)


@pytest.mark.parametrize("kind", KINDS)
def test_the_settings_of_the_whole_model_are_the_shipped_ones(kind: Kind) -> None:
    networks = build(settings(kind, small=False), "meta")
    shapes = {}
    for part, network in networks.items():
        state = network.state_dict()
        for key, place in places(network, part, kind).items():
            shape = tuple(state[key].shape)
            shapes[place.key] = shape[::-1] if place.turned else shape
    header = read_header_of(shapes)
    assert network_settings(header, kind) == settings(kind, small=False)
    assert set(shipped(kind)) == {*networks, "scheduler"}


def read_header_of(shapes: dict[str, tuple[int, ...]]) -> Any:
    from trainer.contracts.model import BaseHeader

    return BaseHeader(Path("x.safetensors"), shapes=shapes)


@pytest.mark.parametrize(
    ("told", "markers"),
    [
        (Prediction(), set()),
        (Prediction("epsilon", False), set()),
        (Prediction("v_prediction", False), {"v_pred"}),
        (Prediction("v_prediction", True), {"v_pred", "ztsnr"}),
    ],
)
def test_the_file_says_what_its_network_predicts(told: Prediction, markers: set[str], tmp_path: Path) -> None:
    path = save(small_networks("sd15"), tmp_path / "a.safetensors", "sd15", told=told)
    file = load_file(path)
    assert {key for key in file if "." not in key} == markers
    assert all(file[key].numel() == 0 for key in markers)
    header = read_header(path)
    assert header.metadata == {"format": "pt", "title": "x"}


def extras(file: dict[str, torch.Tensor], kind: Kind) -> None:
    """Everything that files of the field carry beside the weights."""
    file[f"{CLIP[kind]}text_model.embeddings.position_ids"] = torch.arange(77)[None]
    file[f"{CLIP[kind]}text_projection.weight"] = torch.eye(3)
    file[CLIP[kind].removesuffix("transformer.") + "logit_scale"] = torch.tensor(4.6)
    file["model_ema.diffusion_modelinput_blocks00weight"] = torch.zeros(3)
    file["first_stage_model.loss.logvar"] = torch.zeros(())
    file["betas"] = torch.zeros(1000)
    file["denoiser.sigmas"] = torch.zeros(1000)


def mixed_types(file: dict[str, torch.Tensor], kind: Kind) -> None:
    """Half of the weights in fp16, the others in fp32."""
    for number, key in enumerate(sorted(file)):
        file[key] = file[key].half() if number % 2 else file[key]


def flat_vae_attention(file: dict[str, torch.Tensor], kind: Kind) -> None:
    """Matrices where the original has 1x1 convolutions."""
    for key in [key for key in file if "mid.attn_1" in key and file[key].dim() == 4]:
        file[key] = file[key][:, :, 0, 0].contiguous()


def no_text_level(file: dict[str, torch.Tensor], kind: Kind) -> None:
    """Without `text_model.`, as old SD 1.5 files."""
    for key in [key for key in file if key.startswith(f"{CLIP[kind]}text_model.")]:
        file[key.replace("text_model.", "")] = file.pop(key)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("change", [extras, mixed_types, flat_vae_attention, no_text_level])
def test_files_as_people_have_them(kind: Kind, change: Any, tmp_path: Path) -> None:
    networks = small_networks(kind)
    path = save(networks, tmp_path / "a.safetensors", kind)
    file = load_file(path)
    change(file, kind)
    save_file(file, path)
    again = like(networks, kind)
    load_networks(path, again, kind)
    for part, network in networks.items():
        assert_same(again[part].state_dict(), network.state_dict())


def missing(file: dict[str, torch.Tensor]) -> None:
    del file["model.diffusion_model.out.2.bias"]


def strange(file: dict[str, torch.Tensor]) -> None:
    file["first_stage_model.decoder.extra.weight"] = torch.zeros(2)


def other_shape(file: dict[str, torch.Tensor]) -> None:
    file["model.diffusion_model.out.2.bias"] = torch.zeros(7)


def counted(file: dict[str, torch.Tensor]) -> None:
    file["model.diffusion_model.out.2.bias"] = torch.zeros(4, dtype=torch.int8)


def no_vae(file: dict[str, torch.Tensor]) -> None:
    for key in [key for key in file if key.startswith("first_stage_model.")]:
        del file[key]


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (missing, "lacks model.diffusion_model.out.2.bias, has strange nothing"),
        (strange, "lacks nothing, has strange first_stage_model.decoder.extra.weight"),
        (other_shape, r"out.2.bias has the shape \[7\], not \[4\]"),
        (counted, "out.2.bias holds torch.int8 numbers"),
        (no_vae, "holds no vae"),
    ],
)
def test_a_faulty_file_is_refused_by_the_weight_s_name(fault: Any, said: str, tmp_path: Path) -> None:
    path = save(small_networks("sd15"), tmp_path / "a.safetensors", "sd15")
    file = load_file(path)
    fault(file)
    save_file(file, path)
    with pytest.raises(BaseModelError, match=said):
        load_networks(path, like({}, "sd15"), "sd15")


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    path.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00{}")
    with pytest.raises(BaseModelError, match=r"a\.safetensors: cannot be read"):
        load_networks(path, like({}, "sd15"), "sd15")


def test_numbers_that_the_file_cannot_hold_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    networks = small_networks("sd15")
    with torch.no_grad():
        next(networks["unet"].parameters()).flatten()[0] = 1e6
    with pytest.raises(WriteError, match=r"input_blocks\.0\.0\.weight holds numbers that fp16 cannot"):
        save(networks, tmp_path / "a.safetensors", "sd15", dtype=torch.float16)
    assert list(tmp_path.iterdir()) == []
    save(networks, tmp_path / "a.safetensors", "sd15", dtype=torch.bfloat16)


def old_diffusers(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The attention's names before diffusers 0.17."""
    words = {".to_q.": ".query.", ".to_k.": ".key.", ".to_v.": ".value.", ".to_out.0.": ".proj_attn."}
    found = {}
    for key, tensor in state.items():
        for new, old in words.items():
            key = key.replace(new, old)
        found[key] = tensor
    assert set(found) != set(state)
    return found


@pytest.mark.parametrize("form", ["checkpoint", "no prefix", "diffusers", "old diffusers", "folder", "model folder"])
def test_a_vae_of_its_own(form: str, tmp_path: Path) -> None:
    networks = small_networks("sdxl")
    own = networks["vae"].state_dict()
    path = save(networks, tmp_path / "a.safetensors", "sdxl")
    theirs = {key: tensor for key, tensor in load_file(path).items() if key.startswith("first_stage_model.")}
    name = "diffusion_pytorch_model.safetensors"
    target, state = {
        "checkpoint": (path, None),
        "no prefix": (path, {key.removeprefix("first_stage_model."): one for key, one in theirs.items()}),
        "diffusers": (path, own),
        "old diffusers": (path, old_diffusers(own)),
        "folder": (tmp_path / name, own),
        "model folder": (tmp_path / "vae" / name, own),
    }[form]
    if state is not None:
        target.parent.mkdir(exist_ok=True)
        save_file(state, target)
    vae = like({}, "sdxl")["vae"]
    load_vae(tmp_path if "folder" in form else target, vae)
    assert_same(vae.state_dict(), own)


def test_a_folder_without_a_vae(tmp_path: Path) -> None:
    with pytest.raises(BaseModelError, match="holds no VAE"):
        load_vae(tmp_path, like({}, "sdxl")["vae"])


def test_a_checkpoint_of_the_other_kind_has_no_settings(tmp_path: Path) -> None:
    path = save(small_networks("sd15"), tmp_path / "a.safetensors", "sd15")
    with pytest.raises(BaseModelError, match="not those of a model of kind sdxl"):
        network_settings(read_header(path), "sdxl")


def test_the_file_is_laid_out_as_safetensors_asks(tmp_path: Path) -> None:
    path = save(small_networks("sd15"), tmp_path / "a.safetensors", "sd15", told=Prediction("v_prediction", True))
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    del header["__metadata__"]
    places_in_file = sorted(entry["data_offsets"] for entry in header.values())
    assert length % 8 == 0
    assert places_in_file[0][0] == 0
    assert places_in_file[-1][1] == len(data) - 8 - length
    assert all(one[1] == next_one[0] for one, next_one in pairwise(places_in_file))
