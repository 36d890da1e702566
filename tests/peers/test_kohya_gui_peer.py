"""kohya_ss knows every field of an export's JSON config, and its own clean-up leaves the values as they are.

PEER_KOHYA_SS names a checkout of bmaltais/kohya_ss. The GUI itself is not started: the names are read out of its
FIELD_REGISTRY, and of its code only the two functions run that look at a loaded config and at a folder of images.
"""

from __future__ import annotations

import ast
import json
import logging
import os
import re
from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.real_export import Pictures, checkout, written

from datakit.exports.formats.kohya_gui import EXPORT
from datakit.exports.recipes.model import Recipe

pytestmark = pytest.mark.peers

NEEDED = (
    "update_my_data", "verify_image_folder_pattern", "_IMAGE_FOLDER_CONCEPT_PATTERN", "_IMAGE_FOLDER_STRUCTURE_DOC",
)  # fmt: skip


def fields(path: Path) -> set[str]:
    """Names in the FIELD_REGISTRY of a tab."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "FIELD_REGISTRY":
            assert isinstance(node.value, ast.List)
            return {ast.literal_eval(row.elts[0]) for row in node.value.elts if isinstance(row, ast.Tuple)}
    raise AssertionError(f"{path} has no FIELD_REGISTRY")


def parts(path: Path, *names: str) -> dict[str, Any]:
    """The named functions and constants of a file, run by themselves."""
    tree = ast.parse(path.read_text("utf-8"))
    kept = [
        node
        for node in tree.body
        if (isinstance(node, ast.FunctionDef) and node.name in names)
        or (isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") in names)
    ]
    found: dict[str, Any] = {
        "log": logging.getLogger("kohya"), "re": re, "os": os, "ALL_PRESET_MODELS": [],
        "output_message": lambda msg, headless: None,
    }  # fmt: skip
    exec(compile(ast.Module(kept, []), str(path), "exec"), found)
    return found


@pytest.mark.parametrize(("method", "tab"), [("lora", "lora_gui.py"), ("finetune", "dreambooth_gui.py")])
def test_every_field_is_one_of_the_tab_s(tmp_path: Path, method: Any, tab: str) -> None:
    gui = checkout("PEER_KOHYA_SS") / "kohya_gui"
    folder, pictures = tmp_path / "export", Pictures()
    recipe = Recipe(
        name="x", architecture="sdxl", method=method, base="b", zero_terminal_snr=True, prompts=("sks",),
        min_snr_gamma=5.0, cache_text=True,
    )  # fmt: skip
    given = material(
        subset("少女", pictures.item("少女/x", "sks", (64, 64)), repeats=3),
        subset("reg", pictures.item("reg/r", "girl", (64, 64)), is_reg=True),
        export=EXPORT,
        folder=str(folder),
        recipe=recipe,
    )
    written(EXPORT, pictures, given, folder)
    config = json.loads((folder / "kohya_gui.json").read_text("utf-8"))
    assert config.keys() - fields(gui / tab) == (set() if method == "lora" else {"LoRA_type"})
    own = parts(gui / "common_gui.py", *NEEDED)
    cleaned = own["update_my_data"](dict(config))
    assert {key: cleaned[key] for key in config} == config
    for name in ("train_data_dir", "reg_data_dir"):
        assert own["verify_image_folder_pattern"](config[name], headless=True)
