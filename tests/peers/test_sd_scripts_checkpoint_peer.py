"""sd-scripts loads the checkpoints that we write, weight for weight, and we load what it writes.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements. SDXL takes 7 GB of disk and 16 GB of memory; both files are removed at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from peers.real_export import checkout, read_back
from peers.whole_checkpoints import empty_networks, whole_networks, write_whole
from safetensors import safe_open
from torch import nn

from trainer.contracts.model import Prediction
from trainer.families._single_file import Kind, load_networks, places

pytestmark = pytest.mark.peers

TOLD = Prediction("v_prediction", True)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A folder whose large files are removed, however the test ends."""
    yield tmp_path
    for path in tmp_path.glob("*.safetensors"):
        path.unlink()


def read(path: Path, kind: Kind) -> dict[str, Any]:
    repository = checkout("PEER_SD_SCRIPTS")
    saved = str(path.with_name("theirs.safetensors"))
    return read_back(
        "sd_scripts_checkpoint_reader.py", repository, str(path), kind, saved, python="PEER_SD_SCRIPTS_PYTHON"
    )


def told(network: nn.Module) -> dict[str, Any]:
    """Shape and ends of each weight, as the reader tells them."""
    found = {}
    for key, tensor in network.state_dict().items():
        # sd-scripts leaves OpenCLIP's projection as it lies in the file, the other way round than its module wants it.
        flat = (tensor.T if key == "text_projection.weight" else tensor).flatten()
        found[key] = [list(tensor.shape), [*flat[:8].double().tolist(), *flat[-8:].double().tolist()]]
    return found


def bare(state: dict[str, Any]) -> dict[str, Any]:
    return {key.removeprefix("text_model."): value for key, value in state.items()}


def test_sd15_is_read_whole_and_comes_back_whole(room: Path) -> None:
    checkout("PEER_SD_SCRIPTS")
    networks, path = whole_networks("sd15"), room / "ours.safetensors"
    write_whole(networks, path, "sd15", told=TOLD)
    found = read(path, "sd15")
    for part, network in networks.items():
        assert bare(found[part]) == bare(told(network)), part
    theirs = room / "theirs.safetensors"
    assert keys(theirs) == keys(path) - {"v_pred", "ztsnr"}
    again = empty_networks("sd15")
    load_networks(theirs, again, "sd15")
    for part, network in networks.items():
        state = network.state_dict()
        assert all(torch.equal(tensor, state[key].float()) for key, tensor in again[part].state_dict().items()), part


def keys(path: Path) -> set[str]:
    with safe_open(path, framework="pt") as file:
        return set(file.keys())


def test_sdxl_is_read_whole(room: Path) -> None:
    checkout("PEER_SD_SCRIPTS")
    networks, path = whole_networks("sdxl"), room / "ours.safetensors"
    write_whole(networks, path, "sdxl", told=TOLD)
    expected = {part: told(network) for part, network in networks.items()}
    names = places(networks["unet"], "unet", "sdxl")
    # sd-scripts' own UNet goes by the checkpoint's names.
    expected["unet"] = {
        names[key].key.removeprefix("model.diffusion_model."): one for key, one in expected["unet"].items()
    }
    networks.clear()
    found = read(path, "sdxl")
    for part, weights in expected.items():
        assert bare(found[part]) == bare(weights), part
    assert set(found["written"]) == keys(path) - {"v_pred", "ztsnr"}
