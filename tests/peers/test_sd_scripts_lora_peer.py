"""sd-scripts builds its own network from our LoRA, and its hashes and metadata keys are ours.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from peers.bakes import bake
from peers.lora_material import family_of, state
from peers.real_export import checkout, read_back
from safetensors import safe_open

from trainer.formats import base_hashes, kohya_lora
from trainer.formats.lora_metadata import metadata

pytestmark = pytest.mark.peers


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A LoCon of SDXL, fp16, with all of its metadata."""
    root = tmp_path_factory.mktemp("lora")
    path = root / "sks.safetensors"
    kohya_lora.save(
        path, state("sdxl", "lora"), family=family_of("sdxl"), dtype=torch.float16, metadata=metadata(bake(root))
    )
    assert path.stat().st_size > 2 * 2**20
    return path


@pytest.fixture(scope="module")
def found(path: Path) -> dict[str, Any]:
    """What sd-scripts says."""
    repository = checkout("PEER_SD_SCRIPTS")
    return read_back("sd_scripts_lora_reader.py", repository, str(path), python="PEER_SD_SCRIPTS_PYTHON")


def told(path: Path) -> dict[str, str]:
    with safe_open(path, framework="pt") as file:
        return dict(file.metadata())


def test_its_network_takes_every_key(found: dict[str, Any]) -> None:
    network = found["network"]
    assert (network["missing"], network["left_over"], network["other_shapes"]) == ([], [], [])
    assert (network["modules"], found["checked"]) == (788 + 264, 2 * (788 + 264))
    assert network["alphas"] == [1.0, 2.0]


def test_its_hashes_are_ours(path: Path, found: dict[str, Any]) -> None:
    hashes, own = found["hashes"], told(path)
    assert own["sshs_model_hash"] == hashes["sshs_model_hash"] == hashes["of_file"]
    assert own["sshs_legacy_hash"] == hashes["sshs_legacy_hash"] != hashes["nothing"]
    assert base_hashes.facts(path, "sd_model") == {
        "sd_model_name": "sks.safetensors",
        "sd_model_hash": hashes["old"],
        "new_sd_model_hash": hashes["new"],
    }


def test_no_key_that_it_writes_is_missing(path: Path, found: dict[str, Any]) -> None:
    own = told(path)
    # A run with neither a base's file, another VAE nor arguments of the network says nothing of them there either.
    optional = {"ss_sd_model_hash", "ss_new_sd_model_hash", "ss_vae_hash", "ss_new_vae_hash", "ss_vae_name"}
    optional |= {"ss_network_args"}
    assert set(found["ss_keys"]) - set(own) == optional
    assert {key for key in own if key.startswith("modelspec.")} <= set(found["spec_keys"])
