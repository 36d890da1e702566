"""One real bake by the smallest settings: stopped, resumed, entered into the ledger, sampled."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import msgspec
import pytest

from datakit.actions.advancing import advance
from datakit.actions.bakes.asking import NO_WISHES
from datakit.actions.bakes.ledger import find_bake
from datakit.actions.bakes.making import folder_of, job_of
from datakit.actions.project import Project, open_project

SETTINGS = """\
[export.kohya]
resolution = 64
bucket_reso_steps = 16
min_bucket_reso = 32
max_bucket_reso = 128
[bake.train]
steps = 30
save_every = 5
[bake.sample]
steps = 2
prompts = ["1girl"]
"""


def test_a_bake_stopped_by_ctrl_c_goes_on_and_is_entered_into_the_ledger(
    advanced: Project, git: Callable[..., str]
) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text(SETTINGS)
    advance(open_project(root))
    command = [sys.executable, "-m", "datakit", "bake", "--json"]
    first = subprocess.Popen(command, cwd=root, start_new_session=True, stdout=-1, stderr=subprocess.STDOUT)
    deadline = time.monotonic() + 60
    while not list(root.glob(".dsk/bakes/*/checkpoints/*")) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    assert first.poll() is None, first.communicate()[0].decode()
    os.killpg(first.pid, signal.SIGINT)
    said = first.communicate(timeout=60)[0].decode()
    assert first.returncode == 130, said
    assert "Traceback" not in said
    assert "dsk bake goes on where it stopped" in said
    second = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert second.returncode == 0, second.stderr
    assert len(list(root.glob(".dsk/bakes/*"))) == 1, "the same bake, gone on"
    done = json.loads(second.stdout[second.stdout.index("{") :])
    assert (done["steps"], done["images"]) == (30, 5)
    assert (root / done["lora"]).stat().st_size > 1000
    ledger = tomllib.loads((root / "bakes" / f"{done['id']}.toml").read_text())
    assert ledger["commit"] == json.loads((root / "export/kohya/manifest.json").read_text())["commit"]
    assert git(root, "status", "--porcelain") == ""
    assert git(root, "log", "-1", "--format=%s").startswith(f"bake: {done['id']}, 5 images, 30 steps")
    grid = subprocess.run(
        [sys.executable, "-m", "datakit", "sample", "--prompt", "hat", "--out", str(root / "grid.png")],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert grid.returncode == 0, grid.stderr
    assert (root / "grid.png").read_bytes().startswith(b"\x89PNG")
    assert find_bake(open_project(root)).id == done["id"]


def test_a_second_bake_at_the_same_time_leaves_the_first_ones_folder_alone(advanced: Project) -> None:
    fcntl = pytest.importorskip("fcntl", reason="no locks of folders here")
    root = advanced.dataset.root
    (root / "dsk.toml").write_text(SETTINGS)
    advance(open_project(root))
    project = open_project(root)
    folder = folder_of(project, job_of(project, NO_WISHES))
    before = {path.name for path in folder.iterdir()}
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # As the trainer of the first does, before it has written anything.
        command = [sys.executable, "-m", "datakit", "bake"]
        second = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    finally:
        os.close(handle)
    assert second.returncode == 8, second.stderr
    assert "another run is writing here" in second.stderr
    assert {path.name for path in folder.iterdir()} == before


def test_a_bake_that_is_refused_leaves_nothing_and_says_where_to_look(advanced: Project) -> None:
    root = advanced.dataset.root
    (root / "dsk.toml").write_text(SETTINGS.replace("steps = 30", "stepps = 30"))
    advance(open_project(root))
    command = [sys.executable, "-m", "datakit", "bake"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert "unknown key 'stepps' in [train]" in done.stderr
    assert "its [train] is [bake.train]" in done.stderr
    assert list((root / ".dsk/bakes").iterdir()) == []


def test_bakes_that_begin_at_the_same_moment_have_folders_of_their_own(advanced: Project) -> None:
    job, many, rounds = job_of(advanced, NO_WISHES), 12, 2
    jobs = [msgspec.structs.replace(job, settings={"train": {"seed": seed}}) for seed in range(many * rounds)]
    together = Barrier(many)

    def begin(number: int) -> str:
        together.wait()
        return folder_of(advanced, jobs[number]).name

    with ThreadPoolExecutor(many) as pool:
        assert len(set(pool.map(begin, range(many * rounds)))) == many * rounds
