"""ComfyUI loads every module of our adapters: no key is left over, and each changes the weight it is for.

PEER_COMFYUI names a checkout of comfyanonymous/ComfyUI, PEER_COMFYUI_PYTHON an interpreter that has its requirements.
The files have all modules of the real networks, of rank 2.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from peers.lora_material import family_of, state
from peers.real_export import checkout, read_back

from trainer.formats import kohya_lora

pytestmark = pytest.mark.peers

CASES: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("lora", "lora", {"targets": "kohya", "conv_rank": 0}),
    ("locon", "lora", {}),
    ("locon-tucker", "lora", {"tucker": True}),
    ("loha", "loha", {}),
    ("loha-tucker", "loha", {"tucker": True}),
    ("lokr", "lokr", {}),
    ("dora", "dora", {}),
    ("oft", "oft", {}),
)
MODULES = {"sdxl": (722 + 264, 788 + 264), "sd15": (192 + 72, 278 + 72)}
"""LoRA's and LoCon's: of the UNet and the text encoders."""


@pytest.mark.parametrize("family", ["sdxl", "sd15"])
def test_comfyui_loads_every_key(tmp_path: Path, family: str) -> None:
    repository = checkout("PEER_COMFYUI")
    asked = []
    for name, adapter, config in CASES:
        path = tmp_path / f"{name}.safetensors"
        given = state(family, adapter, **config)
        kohya_lora.save(path, given, family=family_of(family), dtype=torch.float16, metadata={})
        asked.append((family, str(path)))
    (tmp_path / "asked.json").write_text(json.dumps(asked))
    found = read_back("comfyui_lora_reader.py", repository, str(tmp_path / "asked.json"), python="PEER_COMFYUI_PYTHON")
    small, large = MODULES[family]
    assert {name: (one["changed"], one["said"], one["failed"]) for name, one in found.items()} == {
        name: (small if name == "lora" else large, [], []) for name, _, _ in CASES
    }
