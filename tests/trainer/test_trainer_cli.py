"""The commands as a person types them: real processes, real signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from trainer_sets import write_config, write_set

from trainer import plan
from trainer.progress import PlainReporter
from trainer.run import bake


def trainer(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "trainer", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


LIGHT = [
    *("--help", "run --help", "sample --help", "check --help", "fields", "check CONFIG"),
    *("presets", "presets sdxl-style", "optimizers", "from-sd-scripts THEIRS", "from-sd-scripts THEIRS --json"),
    *("run CONFIG --dry-run --set train.steps=3 --preset style", "check CONFIG --vram 8"),
]


@pytest.mark.parametrize("arguments", LIGHT)
def test_no_torch_without_need(arguments: str, tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "theirs.toml").write_text('network_module = "lycoris.kohya"\nnetwork_dim = 4\nseed = 3\n')
    files = {"CONFIG": str(write_config(tmp_path)), "THEIRS": str(tmp_path / "theirs.toml")}
    words = [files.get(word, word) for word in arguments.split()]
    code = (
        "import sys\nsys.argv[1:] = " + repr(words) + "\n"
        "from trainer.cli import main\n"
        "try:\n    main()\nfinally:\n"
        "    heavy = {'torch', 'numpy', 'diffusers', 'transformers', 'safetensors'} & set(sys.modules)\n"
        "    assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout


def test_importing_the_package_imports_nothing_heavy() -> None:
    code = "import trainer, sys; assert not {'torch', 'click', 'PIL'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_without_the_extra_it_says_the_line_to_run(tmp_path: Path) -> None:
    write_set(tmp_path)
    words = ["run", str(write_config(tmp_path))]
    code = f"import sys; sys.modules['torch'] = None; sys.argv[1:] = {words!r}; from trainer.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 11
    assert done.stderr.splitlines() == [
        "error: training needs torch, which is not installed",
        "hint: pip install 'dsk[train]'",
    ]


ERRORS = {
    "unknown key": ("[train]\nstepz = 3\n", 3, "unknown key 'stepz'", "'steps'"),
    "unknown family": ('[model]\nfamily = "tinny"\n', 3, "model.family: there is no 'tinny'", "'tiny'"),
    "unknown objective": ('[objective]\nname = "epsilom"\n', 3, "objective.name", "'epsilon'"),
    "unknown adapter": ('[adapter]\nname = "lore"\n', 3, "adapter.name", "'lora'"),
    "unknown preset": ('[adapter]\ntargets = "attention+mpl"\n', 3, "no preset", "'attention+mlp'"),
    "no dataset": ('[dataset]\nconfig = "gone.toml"\n', 6, "gone.toml: cannot be read", "path"),
    "no base": ('[model]\nbase = "gone"\n', 6, "gone: there is no such base model", "model.base"),
    "no home": ('[model]\nbase = "~nobody-at-all/x"\n', 6, "there is no such base model", "model.base"),
    "a path of Windows": ('[model]\nbase = "C:\\data"\n', 3, "not valid TOML", "single quotes"),
    "odd sample size": ("[sample]\nsize = [33, 32]\n", 3, "multiples of 4", ""),
}


@pytest.mark.parametrize("name", ERRORS)
@pytest.mark.parametrize("command", ["check", "run"])
def test_an_error_is_two_lines_and_a_code(name: str, command: str, tmp_path: Path) -> None:
    text, code, message, hint = ERRORS[name]
    write_set(tmp_path)
    path = tmp_path / "bake.toml"
    path.write_text(text)
    done = trainer(command, path)
    lines = done.stderr.splitlines()
    assert done.returncode == code
    assert len(lines) == 2
    assert lines[0].startswith("error: ")
    assert message in lines[0]
    assert lines[1].startswith("hint: ")
    assert hint in lines[1]


def test_a_missing_config_and_a_misspelt_command(tmp_path: Path) -> None:
    assert trainer("run", tmp_path / "gone.toml").returncode == 3
    assert trainer("rum").returncode == 2


def test_a_dry_run_says_what_would_happen_and_does_nothing(tmp_path: Path) -> None:
    write_set(tmp_path)
    done = trainer("run", write_config(tmp_path, train="epochs = 3"), "--dry-run")
    assert done.returncode == 0
    for line in ("[optimizer]", "epochs = 3", "images   5", "repeats  10 per epoch", "steps    15 (5 per epoch)"):
        assert line in done.stdout
    assert not (tmp_path / "out").exists()


def test_a_setting_on_the_command_line(tmp_path: Path) -> None:
    write_set(tmp_path)
    path = write_config(tmp_path, train="epochs = 3")
    done = trainer("run", path, "--dry-run", "--preset", "style", "--set", "train.steps=7", "--set", "output.name=2026")
    assert done.returncode == 0, done.stderr
    for line in ("steps    7 (5 per epoch)", 'name = "2026"', "conv_rank = 4", "epochs = 0"):
        assert line in done.stdout
    wrong = trainer("check", path, "--set", "train.stepz=7")
    assert wrong.returncode == 3
    assert wrong.stderr.splitlines() == [
        "error: --set train.stepz=7: unknown key 'stepz' in [train]",
        "hint: did you mean 'steps'?",
    ]


def test_a_configuration_of_sd_scripts_becomes_a_run(tmp_path: Path) -> None:
    write_set(tmp_path)
    theirs, ours = tmp_path / "theirs.toml", tmp_path / "ours.toml"
    theirs.write_text('network_module = "networks.lora"\nnetwork_dim = 4\nmax_train_steps = 3\nresume = "x"\n')
    given = ("from-sd-scripts", theirs, "--dataset", tmp_path / "dataset.toml", "--out", ours)
    done = trainer(*given)
    assert done.returncode == 0, done.stderr
    assert "not taken:" in done.stdout
    assert trainer("check", ours).stdout == "ok: 5 images, 3 steps, 1 epoch\n"
    assert trainer(*given).returncode == 7
    told = json.loads(trainer("from-sd-scripts", theirs, "--json").stdout)
    assert told["config"]["adapter"]["rank"] == 4
    assert {"option", "value", "ours", "kind", "remark"} == set(told["rows"][0])


def test_an_output_folder_that_cannot_be_made(tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "file").write_text("")
    path = tmp_path / "bad.toml"
    path.write_text('[dataset]\nconfig = "dataset.toml"\n[output]\ndir = "file/out"\n')
    done = trainer("run", path)
    assert done.returncode == 7
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr


def wait_for_steps(log: Path, steps: int, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        if log.is_file() and len(log.read_bytes().splitlines()) >= steps:
            return
        time.sleep(0.02)
    pytest.fail(f"no {steps} steps: {process.communicate()}")


@pytest.mark.slow
def test_a_run_stopped_by_ctrl_c_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    write_set(tmp_path, general="shuffle_caption = true")
    whole = write_config(tmp_path, train="steps = 40", out="whole")
    halves = write_config(tmp_path, train="steps = 40", out="halves")
    torch.set_num_threads(1)
    bake(plan.make(whole), PlainReporter(lambda text: None))
    command = [sys.executable, "-m", "trainer", "run", str(halves)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_steps(tmp_path / "halves" / "loss.jsonl", 7, process)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "a checkpoint is saved" in stderr
    assert "Traceback" not in stderr
    again = trainer("run", halves)
    assert again.returncode == 0, again.stderr
    assert again.stderr == ""
    assert "baking 40/40" in again.stdout
    assert "going on from step" in again.stdout
    logs = [(tmp_path / name / "loss.jsonl").read_text().splitlines() for name in ("whole", "halves")]
    one, two = ([json.loads(line)["loss"] for line in lines] for lines in logs)
    assert one == two
    first, second = (load_file(tmp_path / name / "sks.safetensors") for name in ("whole", "halves"))
    assert all(torch.equal(first[key], second[key]) for key in first)
