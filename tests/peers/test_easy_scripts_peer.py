"""The backends of LoRA Easy Training Scripts validate an export's TOML; sd-scripts reads what they make of it.

PEER_EASY_SCRIPTS names a checkout of derrian-distro/LoRA_Easy_Training_scripts_Backend, PEER_EASY_SCRIPTS_FORK one of
67372a's; each runs as a process of its own, in this interpreter unless PEER_EASY_SCRIPTS_PYTHON names another.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from exports.export_material import material, subset
from peers.real_export import Pictures, checkout, read_back, written

from datakit.exports.formats.easy_scripts import EXPORT
from datakit.exports.recipes.model import Recipe
from trainer.data.buckets import BucketRule, fit

pytestmark = pytest.mark.peers

SIZES = ((256, 384), (400, 300))
LINES = {"derrian-distro": "PEER_EASY_SCRIPTS", "67372a": "PEER_EASY_SCRIPTS_FORK"}


def validated(folder: Path, pictures: Pictures, line: str, *, masks: bool) -> dict[str, Any]:
    folder.mkdir()
    (folder / "base.safetensors").write_bytes(b"")
    (folder / "output").mkdir()
    recipe = Recipe(
        name="sdxl-lora", architecture="sdxl", base=str(folder / "base.safetensors"), prompts=("sks",), seed=7
    )
    girl = [
        pictures.item(f"girl/{n}", "sks, 1girl, hat", size, mask=masks)
        for n, size in enumerate(((256, 384), (400, 300)))
    ]
    more = [] if masks else [subset("reg", pictures.item("reg/r", "", (256, 256)), is_reg=True, class_tokens="girl")]
    held = subset("held", pictures.item("held/v", "1girl", (256, 320)), is_validation=True)
    given = material(
        subset("少女", *girl, repeats=3), *more, *([] if masks and line == "67372a" else [held]), export=EXPORT,
        folder=str(folder), own={"code_line": line}, recipe=recipe, resolution=256, min_bucket_reso=64,
        max_bucket_reso=512, shuffle_caption=True, keep_tokens=1,
    )  # fmt: skip
    written(EXPORT, pictures, given, folder)
    return read_back(
        "easy_scripts_reader.py",
        checkout(LINES[line]),
        str(folder),
        "easy-scripts.toml",
        python="PEER_EASY_SCRIPTS_PYTHON",
    )


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("masks", [False, True])
def test_the_backend_takes_it(tmp_path: Path, line: str, masks: bool) -> None:
    found = validated(tmp_path / "export", Pictures(), line, masks=masks)
    assert (found["errors"], found["passed"], found["sdxl"]) == ([], True, True)
    assert found["tags"]["1girl"] == 2
    assert found["config"]["network_module"] == "networks.lora"
    assert found["config"]["optimizer_args"] == ["weight_decay=0.01"]
    assert found["config"]["seed"] == 7
    assert found["config"].get("masked_loss", False) == masks


@pytest.mark.parametrize("masks", [False, True])
def test_sd_scripts_reads_what_it_makes(tmp_path: Path, masks: bool) -> None:
    folder = tmp_path / "export"
    validated(folder, Pictures(), "derrian-distro", masks=masks)
    found = read_back(
        "sd_scripts_reader.py", checkout("PEER_SD_SCRIPTS"), str(folder), "config-masked" if masks else "config",
        python="PEER_SD_SCRIPTS_PYTHON",
    )  # fmt: skip
    rule = BucketRule((256, 256), min_px=64, max_px=512)
    trained = {row["path"]: row for row in found["trained"]}
    assert {path: (row["repeats"], tuple(row["bucket"])) for path, row in trained.items() if not row["is_reg"]} == {
        "3_少女/0.png": (3, fit(rule, (256, 384)).bucket_px),
        "3_少女/1.png": (3, fit(rule, (400, 300)).bucket_px),
    }
    assert all(row["drawn"].startswith("sks, ") for row in trained.values() if not row["is_reg"])
    assert [row["caption"] for row in trained.values() if row["is_reg"]] == ([] if masks else ["girl"])
    assert [row["mask"] is not None for row in trained.values() if not row["is_reg"]] == [masks, masks]
