"""dsk bake --from-sd-scripts: options and a dataset TOML of sd-scripts, taken over into dsk.toml."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from hands import again

from datakit.actions.bakes.adopting import adopt, with_tables
from datakit.actions.project import Project
from datakit.errors import ConfigError, StateError, TrainerError
from datakit.repo.operations.undo import undo

Dsk = Callable[..., "CompletedProcess[str]"]
OPTIONS = """\
pretrained_model_name_or_path = "/models/noob.safetensors"
network_module = "networks.lora"
network_dim = 16
network_alpha = 8
network_train_unet_only = true
train_batch_size = 4
learning_rate = 1e-4
max_train_epochs = 10
output_name = "aria"
"""
DATASET = """\
[general]
shuffle_caption = true
color_aug = true
caption_extension = ".txt"
[[datasets]]
resolution = 768
[[datasets.subsets]]
image_dir = "/data/5_aria"
num_repeats = 5
keep_tokens = 1
[[datasets.subsets]]
image_dir = "/data/2_beth"
num_repeats = 2
keep_tokens = 1
"""
MINE = "# my settings\n[bake.train] # how long\nsteps = 500  # enough\nseed = 5\n\n[cleaned]\n"


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    config, dataset = tmp_path / "aria.toml", tmp_path / "data.toml"
    config.write_text(OPTIONS)
    dataset.write_text(DATASET)
    return config, dataset


def test_settings_come_where_dsk_has_them_and_comments_stay(advanced: Project, files: tuple[Path, Path]) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text(MINE)
    with pytest.raises(StateError, match=r"says something else already: bake\.train\.steps"):
        adopt(again(advanced), files[0], dataset=files[1])
    assert (root / "dsk.toml").read_text() == MINE
    done = adopt(again(advanced), files[0], dataset=files[1], force=True)
    text = (root / "dsk.toml").read_text()
    assert text.startswith("# my settings\n[bake.train] # how long\n")
    tables = tomllib.loads(text)
    assert tables["bake"]["train"].items() >= {"seed": 5, "epochs": 10}.items()
    assert "steps" not in tables["bake"]["train"], "steps and epochs are rivals"
    assert tables["bake"]["model"]["base"] == "/models/noob.safetensors"
    assert tables["bake"]["adapter"]["rank"] == 16
    assert tables["bake"]["dataset"] == {"general": {"color_aug": True}}
    wanted = {"batch_size": 4, "resolution": 768, "shuffle_caption": True, "keep_tokens": 1}
    assert tables["export"] == {"kohya": wanted}
    again(advanced).check()
    rows = {row.option: row for row in done.rows}
    assert rows["train_batch_size"].ours == "export.kohya.batch_size"
    assert (rows["network_dim"].ours, rows["network_dim"].kind) == ("bake.adapter.rank", "taken")
    assert (rows["num_repeats"].kind, rows["num_repeats"].ours) == ("not taken", "")
    assert rows["output_name"].remark == "dsk names its bakes itself"
    assert done.is_exported_otherwise
    assert adopt(again(advanced), files[0], dataset=files[1]).commit == "", "nothing is left to do"
    undo(again(advanced).dataset)
    assert (root / "dsk.toml").read_text() == MINE


def test_the_command_shows_a_table_and_what_comes_next(advanced: Project, files: tuple[Path, Path], dsk: Dsk) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("")
    shown = dsk(root, "bake", "--from-sd-scripts", str(files[0]), "--dataset", str(files[1]))
    assert shown.returncode == 0, shown.stderr
    assert "bake.optimizer.learning_rate" in shown.stdout
    assert "dsk export --format kohya, then dsk bake bakes with it" in shown.stdout
    told = json.loads(dsk(root, "bake", "--from-sd-scripts", str(files[0]), "--json").stdout)
    assert told["tables"]["bake"]["adapter"]["rank"] == 16
    assert dsk(root, "bake", "--dataset", str(files[1])).returncode == 2
    assert "takes no --preset" in dsk(root, "bake", "--from-sd-scripts", str(files[0]), "--preset", "x").stderr


def test_what_the_export_would_refuse_is_refused_before_it_is_written(
    advanced: Project, files: tuple[Path, Path]
) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text("[export.kohya]\nmax_bucket_reso = 512\nresolution = 512\nmin_bucket_reso = 256\n")
    with pytest.raises(ConfigError, match="max_bucket_reso 512 is under resolution 768"):
        adopt(again(advanced), files[0], dataset=files[1], force=True)
    (files[0]).write_text("not = [toml")
    with pytest.raises(TrainerError):
        adopt(again(advanced), files[0])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# x\r\n[bake]\r\n",
        "[bake]\n[bake.train]\nseed = 1 # one\n",
        "bake = {train = {seed = 1}}\n",
        "bake.train.seed = 1\n",
    ],
)
def test_tables_are_laid_into_any_settings(text: str) -> None:
    tables = {"bake": {"train": {"epochs": 2}, "adapter": {"name": "lora"}}, "export": {"kohya": {"repeats": 3}}}
    new = with_tables(text, tables)
    found = tomllib.loads(new)
    assert found["bake"]["train"]["epochs"] == 2
    assert found["bake"]["adapter"] == {"name": "lora"}
    assert found["export"] == {"kohya": {"repeats": 3}}
    assert found["bake"]["train"].get("seed") == tomllib.loads(text).get("bake", {}).get("train", {}).get("seed")
    with pytest.raises(ConfigError, match="cannot be written into"):
        with_tables("bake = 5\n[", tables)
