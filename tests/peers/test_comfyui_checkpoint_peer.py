"""ComfyUI knows our checkpoints: the kind, what the network predicts, and every key.

PEER_COMFYUI names a checkout of comfyanonymous/ComfyUI, PEER_COMFYUI_PYTHON an interpreter that has its requirements;
it runs as a process of its own, on the CPU.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peers.real_export import checkout, read_back
from peers.whole_checkpoints import empty_networks, whole_networks, write_whole

from trainer.contracts.model import Prediction
from trainer.families._single_file import Kind, places

pytestmark = pytest.mark.peers


def read(path: Path) -> dict[str, Any]:
    return read_back("comfyui_checkpoint_reader.py", checkout("PEER_COMFYUI"), str(path), python="PEER_COMFYUI_PYTHON")


def shapes(kind: Kind) -> dict[str, list[int]]:
    """Of a whole checkpoint."""
    found = {}
    for part, network in empty_networks(kind).items():
        state = network.state_dict()
        for key, place in places(network, part, kind).items():
            shape = list(state[key].shape)
            shape[0] *= 3 if place.third is not None else 1
            found[place.key] = shape[::-1] if place.turned else shape
    return found


# ComfyUI reads the markers of SDXL alone: an SD 1.5 that predicts v needs its ModelSamplingDiscrete node.
@pytest.mark.parametrize(
    ("kind", "markers", "expected"),
    [
        ("sd15", (), ("SD15", "EPS", False)),
        ("sd15", ("v_pred", "ztsnr"), ("SD15", "EPS", False)),
        ("sdxl", (), ("SDXL", "EPS", False)),
        ("sdxl", ("v_pred",), ("SDXL", "V_PREDICTION", False)),
        ("sdxl", ("v_pred", "ztsnr"), ("SDXL", "V_PREDICTION", True)),
    ],
)
def test_kind_and_prediction(kind: Kind, markers: tuple[str, ...], expected: Any, tmp_path: Path) -> None:
    path = tmp_path / "shapes.json"
    path.write_text(json.dumps(shapes(kind) | {marker: [0] for marker in markers}), "utf-8")
    found = read(path)
    assert (found["name"], found["predicts"], found["zero_terminal_snr"]) == expected
    names = {"text_encoder": "clip_l.transformer.text_model.", "text_encoder_2": "clip_g.transformer."}
    expected_text = {}
    for part, network in empty_networks(kind).items():
        for key, tensor in network.state_dict().items() if part in names else ():
            expected_text[names[part] + key] = list(tensor.shape)
    assert {key: shape for key, shape in found["text"].items() if not key.endswith("logit_scale")} == expected_text


def test_a_whole_file_is_loaded_with_no_weight_missing_or_left_over(tmp_path: Path) -> None:
    checkout("PEER_COMFYUI")
    path = tmp_path / "ours.safetensors"
    networks = whole_networks("sd15")
    sizes = {part: sum(1 for _ in network.parameters()) for part, network in networks.items()}
    assert all(weight.dtype == torch.float16 for weight in networks["unet"].parameters())
    write_whole(networks, path, "sd15", told=Prediction("epsilon", False))
    networks.clear()
    try:
        found = read(path)
    finally:
        path.unlink()
    assert found["name"] == "SD15"
    # Constants that no SD 1.5 file has.
    assert found["complaints"] == ["clip missing: ['clip_l.logit_scale', 'clip_l.transformer.text_projection.weight']"]
    assert len(found["weights"]["unet"]) == sizes["unet"]
    assert len(found["weights"]["vae"]) == sizes["vae"]
