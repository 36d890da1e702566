"""SDXL: what its network is told, and what its modules are called in LoRA files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_bases import header_of, real_modules, write_sd15, write_sdxl

from trainer.contracts.model import BaseSource, Geometry
from trainer.families._targets import stability_name
from trainer.registry import FAMILIES

SDXL = FAMILIES.load("sdxl", field="model.family")
SD15 = FAMILIES.load("sd15", field="model.family")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return SDXL.load(BaseSource(header_of(write_sdxl(tmp_path_factory.mktemp("sdxl")))))


@pytest.fixture(scope="module")
def real() -> dict[str, torch.nn.Module]:
    return real_modules("sdxl")


def test_sizes_are_told_height_first(model: Any) -> None:
    """Stability's order: original size, crop, target size, each down before across."""
    wide = Geometry(original_px=(1200, 800), crop_px=(10, 3), target_px=(1216, 832))
    tall = Geometry(original_px=(600, 900), crop_px=(0, 7), target_px=(832, 1216))
    condition = model.assemble(model.encode_text(["a", "b"]), [wide, tall])
    assert condition["time_ids"].tolist() == [[800, 1200, 3, 10, 832, 1216], [900, 600, 7, 0, 1216, 832]]
    assert condition["states"].shape == (2, 77, 64)
    assert condition["pooled"].shape == (2, 32)


def test_the_network_is_told_text_and_sizes(model: Any) -> None:
    place = Geometry((1200, 800), (10, 3), (64, 96))
    condition = model.assemble(model.encode_text(["1girl"]), [place])
    noisy = torch.randn(1, 4, 12, 8, generator=torch.Generator().manual_seed(1))
    times = torch.tensor([500.0])
    with torch.no_grad():
        found = model.predict(noisy, times, condition=condition)
        expected = model.parts["unet"](
            noisy,
            500,
            encoder_hidden_states=condition["states"],
            added_cond_kwargs={
                "text_embeds": condition["pooled"],
                "time_ids": torch.tensor([[800.0, 1200.0, 3.0, 10.0, 96.0, 64.0]]),
            },
        ).sample
        other = model.predict(noisy, times, condition=condition | {"time_ids": condition["time_ids"] + 100})
    torch.testing.assert_close(found, expected)
    assert found.shape == noisy.shape
    assert not torch.equal(found, other)


def chosen(parts: dict[str, torch.nn.Module], patterns: tuple[str, ...]) -> dict[str, torch.nn.Module]:
    return {
        f"{part}.{path}": module
        for part, root in parts.items()
        for path, module in root.named_modules()
        if any(re.fullmatch(pattern, f"{part}.{path}") for pattern in patterns)
    }


@pytest.mark.parametrize(
    ("preset", "count"), [("attention", 560), ("attention+mlp", 700), ("kohya", 722), ("full", 788)]
)
def test_presets_of_the_unet(real: dict[str, torch.nn.Module], preset: str, count: int) -> None:
    found = chosen(real, SDXL.targets[preset])
    assert len(found) == count
    assert {type(module).__name__ for module in found.values()} <= {"Linear", "Conv2d"}
    names = {SDXL.own_name("unet", path.removeprefix("unet.")) for path in found}
    assert len(names) == count
    assert all(re.match(r"(input|output)_blocks\.\d+\.\d\.|middle_block\.\d\.", name) for name in names)


@pytest.mark.parametrize(
    ("preset", "counts"), [("attention", (48, 128)), ("attention+mlp", (72, 192)), ("none", (0, 0))]
)
def test_presets_of_the_text_encoders(real: dict[str, torch.nn.Module], preset: str, counts: tuple[int, int]) -> None:
    found = chosen(real, SDXL.text_targets[preset])
    parts = [path.partition(".") for path in found]
    assert tuple(sum(part == name for part, _, _ in parts) for name in ("text_encoder", "text_encoder_2")) == counts
    names = {(part, SDXL.own_name(part, path)) for part, _, path in parts}
    assert len(names) == sum(counts)
    assert all(name.startswith("text_model.encoder.layers.") for _, name in names)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        (
            "down_blocks.1.attentions.0.transformer_blocks.0.attn1.to_q",
            "input_blocks.4.1.transformer_blocks.0.attn1.to_q",
        ),
        ("down_blocks.0.resnets.1.conv1", "input_blocks.2.0.in_layers.2"),
        ("down_blocks.0.downsamplers.0.conv", "input_blocks.3.0.op"),
        ("down_blocks.2.resnets.1.time_emb_proj", "input_blocks.8.0.emb_layers.1"),
        ("mid_block.attentions.0.proj_in", "middle_block.1.proj_in"),
        ("mid_block.resnets.1.conv2", "middle_block.2.out_layers.3"),
        ("up_blocks.0.attentions.2.proj_out", "output_blocks.2.1.proj_out"),
        ("up_blocks.0.upsamplers.0.conv", "output_blocks.2.2.conv"),
        ("up_blocks.2.resnets.0.conv_shortcut", "output_blocks.6.0.skip_connection"),
        ("conv_in", "input_blocks.0.0"),
        ("conv_out", "out.2"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"),
        ("input_blocks.4.1.proj_in", "input_blocks.4.1.proj_in"),
    ],
)
def test_names_of_the_checkpoint(path: str, name: str) -> None:
    assert stability_name(path) == name
    assert stability_name(name) == name


def test_no_two_modules_share_a_name(real: dict[str, torch.nn.Module]) -> None:
    paths = [path for path, module in real["unet"].named_modules() if next(module.parameters(False), None) is not None]
    assert len({stability_name(path) for path in paths}) == len(paths)
    assert not [path for path in paths if stability_name(path).startswith(("down_", "up_", "mid_"))]


def test_the_text_encoder_s_level_is_said_once() -> None:
    for path in ("encoder.layers.0.mlp.fc1", "text_model.encoder.layers.0.mlp.fc1"):
        assert SDXL.own_name("text_encoder_2", path) == "text_model.encoder.layers.0.mlp.fc1"
    assert SDXL.own_name("text_encoder_2", "text_projection") == "text_projection"


def test_sd15_goes_by_diffusers_names(tmp_path: Path) -> None:
    parts = real_modules("sd15")
    found = chosen(parts, SD15.targets["kohya"])
    assert len(found) == 192
    assert all(f"unet.{SD15.own_name('unet', path.removeprefix('unet.'))}" == path for path in found)
    assert len(chosen(parts, SD15.text_targets["attention+mlp"])) == 72
    assert set(SD15.targets) == set(SDXL.targets)


def test_each_family_knows_its_own(tmp_path: Path) -> None:
    sd15, sdxl = header_of(write_sd15(tmp_path / "sd15")), header_of(write_sdxl(tmp_path / "sdxl"))
    tiny = FAMILIES.load("tiny", field="model.family")
    for header, own in ((sd15, SD15), (sdxl, SDXL)):
        known = {family.name for family in (SD15, SDXL, tiny) if family.recognise(header) is not None}
        assert known == {own.name}
