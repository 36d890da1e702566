"""dsk taggers: the list, a spec, and a download, each in a process of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from taggers import hub
from taggers import onnx_graphs as graphs

from datakit.actions.project import Project

Dsk = Callable[..., subprocess.CompletedProcess[str]]
NAME = "wd-vit-tagger-v3"


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """No proxies, a cache of its own, and no hub."""
    return {
        "HF_HUB_CACHE": str(tmp_path / "hub"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "DSK_MODELS": "",
        "NO_PROXY": "*",
        "HF_HUB_OFFLINE": "1",
    }


def served(folder: Path) -> dict[str, Path]:
    return {f"SmilingWolf/{NAME}/resolve/main/{path.name}": path for path in folder.iterdir()}


def test_the_list_and_a_spec(dsk: Dsk, empty: Project, env: dict[str, str]) -> None:
    done = dsk(empty.dataset.root, "taggers", env=env)
    assert done.returncode == 0, done.stderr
    assert "wd-eva02-large-tagger-v3" in done.stdout
    assert "general 0.5296, character 0.85" in done.stdout
    rows = {row["name"]: row for row in json.loads(dsk(empty.dataset.root, "taggers", "--json", env=env).stdout)}
    assert rows[NAME]["num_tags"] == graphs.NUM_WD_TAGS
    assert not rows[NAME].get("is_here", False)
    done = dsk(empty.dataset.root, "taggers", "show", NAME, env=env)
    assert 'channels = "bgr"' in done.stdout
    assert f"dsk taggers fetch {NAME}" in done.stdout
    shown = json.loads(dsk(empty.dataset.root, "taggers", "show", NAME, "--json", env=env).stdout)
    assert shown["spec"]["repository"] == f"SmilingWolf/{NAME}"


def test_a_wrong_spec_is_a_row_of_the_list(dsk: Dsk, env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "vocab" / "taggers"
    folder.mkdir(parents=True)
    (folder / "mine.toml").write_text("[inptu]\n", "utf-8")
    done = dsk(tmp_path, "taggers", env=env)
    assert done.returncode == 0
    assert "unknown key 'inptu'" in done.stdout


def test_offline_names_the_exact_commands(dsk: Dsk, env: dict[str, str], tmp_path: Path) -> None:
    done = dsk(tmp_path, "taggers", "fetch", NAME, env=env)
    assert done.returncode == 8
    assert "fetching wd-vit-tagger-v3: 378.8 MB" in done.stderr
    assert f"dsk taggers fetch {NAME}" in done.stderr
    assert f"hf download SmilingWolf/{NAME} model.onnx selected_tags.csv --local-dir models/{NAME}" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("into_models", [False, True])
def test_fetched_once(dsk: Dsk, env: dict[str, str], tmp_path: Path, into_models: bool) -> None:
    made = graphs.write_wd(tmp_path / "made")
    models = str(tmp_path / "models") if into_models else ""
    with hub.serve(served(made)) as (address, asked):
        online = {**env, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address, "DSK_MODELS": models}
        done = dsk(tmp_path, "taggers", "fetch", NAME, "--json", env=online)
        assert done.returncode == 0, done.stderr
        num_asked = len(asked)
        again = json.loads(dsk(tmp_path, "taggers", "fetch", NAME, "--json", env=online).stdout)
        assert (again["was_here"], len(asked)) == (True, num_asked)
    fetched = json.loads(done.stdout)
    assert not fetched.get("was_here", False)
    assert Path(fetched["model"]).read_bytes() == (made / "model.onnx").read_bytes()
    assert Path(fetched["labels"]).read_bytes() == (made / "selected_tags.csv").read_bytes()
    assert Path(fetched["model"]).is_relative_to(models or tmp_path / "hub")
    rows = json.loads(dsk(tmp_path, "taggers", "--json", env={**env, "DSK_MODELS": models}).stdout)
    assert [row["name"] for row in rows if row.get("is_here")] == ["dsk-tiny-tagger", NAME], "one comes with dsk"


def test_a_file_that_the_hub_lacks_is_named(dsk: Dsk, env: dict[str, str], tmp_path: Path) -> None:
    made = graphs.write_wd(tmp_path / "made")
    (made / "model.onnx").unlink()
    with hub.serve(served(made)) as (address, _):
        done = dsk(tmp_path, "taggers", "fetch", NAME, env={**env, "HF_HUB_OFFLINE": "0", "HF_ENDPOINT": address})
    assert done.returncode == 8
    assert f"model.onnx of SmilingWolf/{NAME} cannot be downloaded" in done.stderr
