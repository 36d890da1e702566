"""LoRA files: their names, numbers and hashes, and what is read back of anybody's."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch
from diffusers.loaders.lora_conversion_utils import (
    _convert_non_diffusers_lora_to_diffusers,
    _maybe_map_sgm_blocks_to_diffusers,
)
from diffusers.utils.state_dict_utils import convert_state_dict_to_peft, convert_unet_state_dict_to_peft
from peers.lora_material import family_of, parts, state
from torch import nn

from trainer.adapters import dora, loha, lora
from trainer.contracts.model import Family
from trainer.errors import LoraFileError, WriteError
from trainer.formats import kohya_lora

SDXL, SD15 = family_of("sdxl"), family_of("sd15")
KINDS = ("lora", "dora", "loha", "lokr", "oft")
METADATA = {"ss_output_name": '少女 "x"\n\u001f\u007f', "ss_seed": "0", "modelspec.title": "x", "dsk_config": "{}"}


def save(
    folder: Path, given: Mapping[str, torch.Tensor], dtype: torch.dtype = torch.float16, *, family: Family = SDXL
) -> Path:
    kohya_lora.save(folder / "x.safetensors", given, family=family, dtype=dtype, metadata=METADATA)
    return folder / "x.safetensors"


def modules(keys: Mapping[str, torch.Tensor]) -> set[str]:
    return {key.partition(".")[0] for key in keys}


@pytest.fixture(scope="module")
def locon() -> dict[str, torch.Tensor]:
    return state("sdxl", "lora")


def test_a_whole_sdxl_locon_has_the_names_that_sd_scripts_gives(tmp_path: Path, locon: dict[str, torch.Tensor]) -> None:
    found = safetensors.torch.load_file(save(tmp_path, locon))
    assert len(found) == 3156
    names = modules(found)
    assert len([name for name in names if name.startswith("lora_unet_")]) == 788
    assert len([name for name in names if name.startswith("lora_te1_")]) == 72
    assert len([name for name in names if name.startswith("lora_te2_")]) == 192
    assert names >= {
        "lora_unet_input_blocks_4_1_proj_in",
        "lora_unet_input_blocks_8_1_transformer_blocks_9_ff_net_0_proj",
        "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_out_0",
        "lora_unet_output_blocks_2_2_conv",
        "lora_unet_output_blocks_8_0_skip_connection",
        "lora_unet_input_blocks_3_0_op",
        "lora_unet_input_blocks_1_0_in_layers_2",
        "lora_unet_middle_block_2_out_layers_3",
        "lora_unet_input_blocks_7_0_emb_layers_1",
        "lora_te1_text_model_encoder_layers_11_mlp_fc2",
        "lora_te2_text_model_encoder_layers_31_self_attn_out_proj",
    }
    assert {tensor.dtype for tensor in found.values()} == {torch.float16}
    assert found["lora_unet_input_blocks_4_1_proj_in.alpha"].shape == ()


def test_sd15_keeps_diffusers_names() -> None:
    names = {kohya_lora.file_module(kohya_lora.split_name(name)[0], SD15) for name in state("sd15", "lora")}
    assert names >= {
        "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q",
        "lora_unet_mid_block_resnets_0_conv1",
        "lora_te_text_model_encoder_layers_0_mlp_fc1",
    }
    assert not [name for name in names if "blocks_0_0_" in name]


@pytest.mark.parametrize("conv_rank", [0, 2])
def test_diffusers_reads_every_module(tmp_path: Path, conv_rank: int) -> None:
    given = state("sdxl", "lora", conv_rank=conv_rank, targets="full" if conv_rank else "kohya")
    networks = parts("sdxl")
    file = safetensors.torch.load_file(save(tmp_path, given))
    mapped = _maybe_map_sgm_blocks_to_diffusers(file, networks["unet"].config)
    read, alphas = _convert_non_diffusers_lora_to_diffusers(mapped)
    assert len(read) == (2104 if conv_rank else 1972)
    assert len(alphas) == len(read) // 2
    found = set()
    for part, root in networks.items():
        own = {key.removeprefix(f"{part}."): tensor for key, tensor in read.items() if key.startswith(f"{part}.")}
        own = convert_unet_state_dict_to_peft(own) if part == "unet" else convert_state_dict_to_peft(own)
        for key, tensor in own.items():
            path, _, role = key.removesuffix(".weight").rpartition(".")
            inner = path if part != "text_encoder" else path.removeprefix("text_model.")
            side = 1 if role == "lora_A" else 0
            assert tensor.shape[side] == root.get_submodule(inner).get_parameter("weight").shape[side], key
            found.add(f"{part}.{inner}")
    assert found == {kohya_lora.split_name(name)[0] for name in given}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back(tmp_path: Path, kind: str) -> None:
    given = state("sd15", kind, tucker=kind in {"lora", "loha"})
    file, metadata = kohya_lora.load(save(tmp_path, given, torch.float32, family=SD15))
    assert kohya_lora.kinds_of(file) == {kind}
    assert metadata["ss_output_name"] == METADATA["ss_output_name"]
    back = kohya_lora.to_state(file, given, family=SD15)
    assert set(back) == set(given)
    assert all(torch.equal(back[name], given[name]) for name in given)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_hashes_are_those_of_the_final_bytes(
    tmp_path: Path, locon: dict[str, torch.Tensor], dtype: torch.dtype
) -> None:
    path = save(tmp_path, locon, dtype)
    content = path.read_bytes()
    assert len(content) > 2 * 2**20
    length = int.from_bytes(content[:8], "little")
    told = json.loads(content[8 : 8 + length])["__metadata__"]
    assert told["sshs_model_hash"] == hashlib.sha256(content[8 + length :]).hexdigest()
    bare = {key: value for key, value in METADATA.items() if key.startswith("ss_")}
    as_they_do = safetensors.torch.save(safetensors.torch.load_file(path), bare)
    legacy = hashlib.sha256(as_they_do[0x100000:0x110000]).hexdigest()[:8]
    assert told["sshs_legacy_hash"] == legacy != hashlib.sha256(b"").hexdigest()[:8]


def test_the_header_is_as_long_as_the_library_s(tmp_path: Path, locon: dict[str, torch.Tensor]) -> None:
    path = save(tmp_path, locon)
    tensors, metadata = kohya_lora.load(path)
    theirs = safetensors.torch.save(tensors, metadata)
    assert path.read_bytes()[:8] == theirs[:8]
    assert path.stat().st_size == len(theirs)


def test_the_same_numbers_make_the_same_file(tmp_path: Path) -> None:
    given = state("sd15", "lora", targets="attention")
    one, two = tmp_path / "one", tmp_path / "two"
    kohya_lora.save(one, given, family=SD15, dtype=torch.float16, metadata=METADATA)
    turned = dict(reversed(given.items()))
    kohya_lora.save(two, turned, family=SD15, dtype=torch.float16, metadata=dict(reversed(METADATA.items())))
    assert one.read_bytes() == two.read_bytes()


def test_what_is_too_large_for_the_precision_is_refused(tmp_path: Path) -> None:
    given = {"unet.conv_in.lora_up.weight": torch.tensor([[1e5]]), "unet.conv_in.lora_down.weight": torch.ones(1, 1)}
    with pytest.raises(WriteError, match="too large for float16"):
        save(tmp_path, given, torch.float16)
    assert save(tmp_path, given, torch.bfloat16).is_file()


# Anybody's files ------------------------------------------------------------------------------------------------------


class Small(nn.Module):
    """Two modules that SDXL's UNet has."""

    def __init__(self) -> None:
        super().__init__()
        self.down_blocks = nn.ModuleList([nn.Module(), nn.Module()])
        attention = nn.Module()
        attention.proj_in = nn.Linear(4, 6)
        attention.proj_out = nn.Linear(6, 4)
        self.down_blocks[1].attentions = nn.ModuleList([attention])


IN, OUT = "unet.down_blocks.1.attentions.0.proj_in", "unet.down_blocks.1.attentions.0.proj_out"


def file_of(in_name: str, out_name: str, *, alpha: bool = True) -> dict[str, torch.Tensor]:
    """Two modules of ranks 2 and 3."""
    tensors = {
        f"{in_name}.lora_down.weight": torch.ones(2, 4).half(),
        f"{in_name}.lora_up.weight": torch.ones(6, 2).half(),
        f"{out_name}.lora_down.weight": torch.ones(3, 6).half(),
        f"{out_name}.lora_up.weight": torch.ones(4, 3).half(),
    }
    return tensors | ({f"{in_name}.alpha": torch.tensor(0.5).half()} if alpha else {})


SGM = ("lora_unet_input_blocks_4_1_proj_in", "lora_unet_input_blocks_4_1_proj_out")
DIFFUSERS = ("lora_unet_down_blocks_1_attentions_0_proj_in", "lora_unet_down_blocks_1_attentions_0_proj_out")


@pytest.mark.parametrize("names", [SGM, DIFFUSERS])
def test_both_names_of_sdxl_s_modules_are_known(names: tuple[str, str]) -> None:
    file = file_of(*names)
    sites = kohya_lora.sites_of(file, {"unet": Small()}, SDXL, size_of=lora.size_of)
    assert [(site.path, site.rank, site.alpha) for site in sites] == [(IN, 2, 0.5), (OUT, 3, 3.0)]
    wanted = [f"{path}.{suffix}" for path in (IN, OUT) for suffix in ("lora_down.weight", "lora_up.weight", "alpha")]
    found = kohya_lora.to_state(file, wanted, family=SDXL)
    assert set(found) == set(wanted)
    assert (float(found[f"{IN}.alpha"]), float(found[f"{OUT}.alpha"])) == (0.5, 3.0)
    assert {tensor.dtype for tensor in found.values()} == {torch.float32}


def test_an_alpha_that_is_missing_is_the_rank() -> None:
    found = kohya_lora.to_state(
        {"lora_unet_input_blocks_4_1_proj_in.hada_w1_b": torch.ones(5, 4)},
        [f"{IN}.hada_w1_b", f"{IN}.alpha"],
        family=SDXL,
    )
    assert float(found[f"{IN}.alpha"]) == 5.0
    blocks = {"lora_unet_input_blocks_4_1_proj_in.oft_blocks": torch.ones(3, 2, 2)}
    found = kohya_lora.to_state(blocks, [f"{IN}.oft_blocks", f"{IN}.alpha"], family=SDXL)
    assert float(found[f"{IN}.alpha"]) == 0.0


@pytest.mark.parametrize(
    ("key", "word"),
    [
        ("lycoris_down_blocks_1_attentions_0_proj_in.lora_down.weight", "LyCORIS' own names"),
        ("unet.down_blocks.1.attentions.0.proj_in.lora_A.weight", "diffusers' names"),
        ("diffusion_model.input_blocks.4.1.proj_in.lora_A.weight", "ComfyUI's names"),
        ("base_model.model.x.lora_A.weight", "peft's names"),
        ("lora_unet_input_blocks_4_1_proj_in.lora_C", "an unknown ending"),
        ("emb_params", "an unknown ending"),
    ],
)
def test_other_forms_are_told_by_name(key: str, word: str) -> None:
    for read in (
        lambda: kohya_lora.sites_of({key: torch.ones(1)}, {"unet": Small()}, SDXL, size_of=lora.size_of),
        lambda: kohya_lora.to_state({key: torch.ones(1)}, [f"{IN}.alpha"], family=SDXL),
        lambda: kohya_lora.kinds_of([key]),
    ):
        with pytest.raises(LoraFileError, match=word):
            read()


def test_a_file_that_does_not_fit_says_where() -> None:
    unet = {"unet": Small()}
    with pytest.raises(LoraFileError, match="no module for lora_unet_output_blocks_0_1_proj_in"):
        kohya_lora.sites_of(file_of(SGM[0], "lora_unet_output_blocks_0_1_proj_in"), unet, SDXL, size_of=lora.size_of)
    for kind in (loha, dora):
        with pytest.raises(LoraFileError, match="not of the kind") as raised:
            kohya_lora.sites_of(file_of(*SGM), unet, SDXL, size_of=kind.size_of)
        assert "lora kind" in raised.value.hint
    with pytest.raises(LoraFileError, match="is empty"):
        kohya_lora.sites_of({}, unet, SDXL, size_of=lora.size_of)
    with pytest.raises(LoraFileError, match="no module for lora_unet_input_blocks_4_1_proj_out"):
        kohya_lora.to_state(file_of(*SGM), [f"{IN}.{suffix}" for suffix in kohya_lora.SUFFIXES], family=SDXL)
    with pytest.raises(LoraFileError, match=r"has a lora_up\.weight, which has no place"):
        kohya_lora.to_state(file_of(*SGM), [f"{path}.lora_down.weight" for path in (IN, OUT)], family=SDXL)


def test_every_suffix_parts_from_its_module() -> None:
    for suffix in kohya_lora.SUFFIXES:
        assert kohya_lora.split_name(f"{IN}.{suffix}") == (IN, suffix)
    with pytest.raises(LoraFileError, match="no tensor of an adapter"):
        kohya_lora.split_name(f"{IN}.weight")


def test_the_family_s_own_name_wins() -> None:
    swapped = replace(SDXL, own_name=lambda _, path: path.replace("proj_in", "x").replace("proj_out", "proj_in"))
    file = {"lora_unet_down_blocks_1_attentions_0_proj_in.alpha": torch.tensor(1.0)}
    assert set(kohya_lora.to_state(file, [f"{IN}.alpha", f"{OUT}.alpha"], family=swapped)) >= {f"{OUT}.alpha"}


@pytest.mark.parametrize("content", [b"", b"\0" * 7, b"x" * 64, (2**60).to_bytes(8, "little") + b"{}"])
def test_what_is_no_file_of_tensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(LoraFileError, match="is not a safetensors file"):
        kohya_lora.load(tmp_path / "x.safetensors")
    with pytest.raises(LoraFileError, match="no such file"):
        kohya_lora.load(tmp_path / "y.safetensors")
