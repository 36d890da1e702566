"""Every option that sd-scripts' training scripts have is one that we know, of the type that its parsers give it.

PEER_SD_SCRIPTS names a checkout of kohya-ss/sd-scripts, PEER_SD_SCRIPTS_PYTHON an interpreter that has its
requirements; the checkout's `venv` is taken without.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from peers.real_export import checkout, read_back

from trainer.migration.options import OPTIONS
from trainer.migration.reading import SCRIPTS

pytestmark = pytest.mark.peers


def test_every_option_is_known_and_of_its_type(tmp_path: Path) -> None:
    repository, scripts = checkout("PEER_SD_SCRIPTS"), tmp_path / "scripts.json"
    scripts.write_text(json.dumps(list(SCRIPTS)))
    found = read_back("sd_scripts_arguments_reader.py", repository, str(scripts), python="PEER_SD_SCRIPTS_PYTHON")
    assert set(found) == set(SCRIPTS)
    told: dict[str, str] = {}
    for options in found.values():
        told |= options
    assert len(told) > 200
    assert set(told) - set(OPTIONS) == set()
    assert {name: OPTIONS[name] for name in told} == told
