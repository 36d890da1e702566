"""Every option of sd-scripts' training scripts is one that we know, and its blocks are those that our rules name.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements; the checkout's `venv` is taken without.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from peers.real_export import checkout, read_back

from trainer import targeting
from trainer.config import Config
from trainer.contracts.model import Family
from trainer.migration import converting
from trainer.migration.options import OPTIONS
from trainer.migration.reading import SCRIPTS, Given
from trainer.registry import FAMILIES

sys.path.append(str(Path(__file__).parents[1] / "trainer"))
from tiny_bases import real_modules

pytestmark = pytest.mark.peers

PLACES = {"sd15": 25, "sdxl": 23}
"""Numbers in a list of blocks."""


def asked(tmp_path: Path, **what: Any) -> dict[str, Any]:
    repository, question = checkout("PEER_SD_SCRIPTS"), tmp_path / "question.json"
    question.write_text(json.dumps({"scripts": [], "names": {}} | what))
    python = "PEER_SD_SCRIPTS_PYTHON"
    return read_back("sd_scripts_arguments_reader.py", repository, str(question), python=python)


def test_every_option_is_known_and_of_its_type(tmp_path: Path) -> None:
    found = asked(tmp_path, scripts=list(SCRIPTS))["options"]
    assert set(found) == set(SCRIPTS)
    told: dict[str, str] = {}
    for options in found.values():
        told |= options
    assert len(told) > 200
    assert set(told) - set(OPTIONS) == set()
    assert {name: OPTIONS[name] for name in told} == told


def ranks(family: Family) -> dict[str, int]:
    """Modules by their names in LoRA files, and the ranks that they get where each block has its own."""
    dims = ",".join(str(place + 1) for place in range(PLACES[family.name]))
    options = {"network_dim": 99, "network_args": [f"block_dims={dims}", "conv_dim=4"], "unet_lr": 1e-4}
    made = converting.of_options(Given(options, is_sdxl=family.name == "sdxl"))
    adapter = msgspec.convert(made.config, Config).adapter
    found = targeting.sites(real_modules(family.name), family, adapter, kinds=("Linear", "Conv2d"))
    named = {}
    for site in found:
        part, _, path = site.path.partition(".")
        if part == "unet":
            name = family.own_name(part, path).replace(".", "_")
            named[f"{family.lora_prefixes[part]}_{name}"] = site.rank
    return named


def test_a_block_s_rank_goes_to_the_same_modules(tmp_path: Path) -> None:
    ours = {name: ranks(FAMILIES.load(name, field="model.family")) for name in PLACES}
    blocks = asked(tmp_path, names={family: list(found) for family, found in ours.items()})["blocks"]
    for family, found in ours.items():
        assert len(found) == {"sd15": 278, "sdxl": 788}[family]
        assert list(found.values()) == [place + 1 for place in blocks[family]]
